//! Instances that a `Discover` finds.

#![cfg(feature = "discover")]

mod common;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use common::{Does, Instance, call};
use plugin_core::PluginError;
use plugin_lb::{Balance, BalanceConfig, Strategy};
use tokio::sync::mpsc;
use tower::discover::Change;

type Told = Result<Change<u16, Instance>, PluginError>;

/// Changes as a registry tells them.
struct Registry(mpsc::UnboundedReceiver<Told>);

impl futures_util::Stream for Registry {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        self.0.poll_recv(cx)
    }
}

fn registry() -> (mpsc::UnboundedSender<Told>, Registry) {
    let (tell, told) = mpsc::unbounded_channel();
    (tell, Registry(told))
}

fn insert(port: u16, name: &'static str) -> Told {
    Ok(Change::Insert(port, Instance::new(name, Does::Answer)))
}

fn balance() -> common::Calls {
    Balance::new(BalanceConfig::new(Strategy::RoundRobin), []).expect("none").for_calls()
}

fn names(balance: &common::Calls) -> Vec<String> {
    balance.handle().stats().iter().map(|stats| stats.name.to_string()).collect()
}

/// Lets other tasks run until they wait.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn instances_come_and_go_as_they_are_told_and_those_added_by_hand_stay() {
    let balance = balance();
    let handle = balance.handle();
    handle.add(Instance::new("by hand", Does::Answer).endpoint()).expect("new");
    let (tell, registry) = registry();
    let follower = tokio::spawn(handle.follow(registry));
    for change in [insert(1, "a"), insert(2, "b"), insert(3, "c"), Ok(Change::Remove(2)), Ok(Change::Remove(9))] {
        tell.send(change).expect("it listens");
    }
    settled().await;
    assert_eq!(names(&balance), ["by hand", "1", "3"]);
    for change in [Ok(Change::Remove(1)), insert(1, "a"), Ok(Change::Remove(3))] {
        tell.send(change).expect("it listens");
    }
    settled().await;
    assert_eq!(names(&balance), ["by hand", "1"]);
    drop(tell);
    follower.await.expect("no panic").expect("the end is no error");
    assert_eq!(names(&balance), ["by hand", "1"], "the instances stay");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_inserted_anew_takes_the_others_place_weight_and_switch_and_counts_anew() {
    let mut balance = balance();
    let handle = balance.handle();
    let (tell, registry) = registry();
    tokio::spawn(handle.follow(registry));
    tell.send(Ok(Change::Insert(1, Instance::new("old", Does::AnswerAfter(Duration::from_secs(1))))))
        .expect("it listens");
    settled().await;
    handle.set_weight("1", 5).expect("there");
    let under_way = tokio::spawn(call(&mut balance));
    settled().await;
    let before = handle.get("1").expect("there");

    tell.send(insert(1, "new")).expect("it listens");
    settled().await;
    let after = handle.get("1").expect("there");
    assert_ne!(before.id, after.id);
    assert_eq!((before.total, after.total, after.weight), (1, 0, 5));
    assert_eq!(call(&mut balance).await.expect("an answer").into_payload(), "new");
    assert_eq!(under_way.await.expect("no panic").expect("an answer").into_payload(), "old");

    handle.disable_instance("1").expect("there");
    tell.send(insert(1, "newer")).expect("it listens");
    settled().await;
    assert!(!handle.get("1").expect("there").enabled, "what an operator has switched off stays off");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_given_back_after_the_changes_before_it_and_a_dropped_future_changes_nothing() {
    let balance = balance();
    let (tell, found) = registry();
    let error = PluginError::execution("the registry is gone");
    for change in [insert(1, "a"), Err(error), insert(2, "b")] {
        tell.send(change).expect("it listens");
    }
    let error = balance.handle().follow(found).await.expect_err("what the stream says");
    assert!(error.to_string().contains("the registry is gone"));
    assert_eq!(names(&balance), ["1"]);

    let (tell, found) = registry();
    let follower = tokio::spawn(balance.handle().follow(found));
    tell.send(insert(2, "b")).expect("it listens");
    settled().await;
    follower.abort();
    assert!(follower.await.expect_err("aborted").is_cancelled());
    assert_eq!(names(&balance), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_balancer_and_does_not_keep_its_instances() {
    let instance = Instance::new("a", Does::Answer);
    let (tell, found) = registry();
    let balance = balance();
    let follower = tokio::spawn(balance.handle().follow(found));
    tell.send(Ok(Change::Insert(1, instance.clone()))).expect("it listens");
    settled().await;
    drop(balance);
    assert_eq!(std::sync::Arc::strong_count(&instance.calls), 1, "nobody else has it");
    tell.send(insert(2, "b")).expect("it listens");
    follower.await.expect("no panic").expect("no error");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_that_are_there_at_once_are_one_swap() {
    let balance = balance();
    let (tell, mut told) = mpsc::unbounded_channel::<Told>();
    for port in 0..10_000 {
        tell.send(insert(port, "a")).expect("it listens");
    }
    let handle = balance.handle();
    let watched = futures_util::stream::poll_fn(move |cx| {
        assert_eq!(handle.len(), 0, "none of them before all are read");
        told.poll_recv(cx)
    });
    drop(tell);
    balance.handle().follow(watched).await.expect("the end");
    assert_eq!(balance.handle().len(), 10_000);
}
