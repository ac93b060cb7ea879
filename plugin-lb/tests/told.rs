//! What is kept and counted of calls that did not go well: why an instance failed last, and when it was used.

mod common;

use std::time::Duration;

use common::*;
use plugin_core::{Call, Code, clock, deadline::DeadlineLayer};
use plugin_lb::{InstanceStats, Strategy};
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn stats(balance: &Calls) -> InstanceStats {
    balance.handle().get("a").expect("it is there")
}

/// The code and the message of the last failure.
fn told(balance: &Calls) -> Option<(Option<Code>, String)> {
    stats(balance).last_failure.map(|failure| (failure.code, failure.message.to_string()))
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_the_last_failure_is_why_and_of_what_is_none_nothing() {
    let timeout = "it had not answered when the time of the call was up".to_owned();
    for (does, expected) in [
        (Does::Answer, None),
        (Does::Fail, Some((Some(Code::ExecutionFailed), "as asked".to_owned()))),
        (Does::Panic, Some((Some(Code::ExecutionFailed), "the service panicked".to_owned()))),
        (Does::Hang, Some((Some(Code::Timeout), timeout))),
    ] {
        let balance = balance(Strategy::RoundRobin, [&Instance::new("a", does)]);
        let stack = DeadlineLayer::new(SECOND).layer(balance.clone());
        let ended = tokio::spawn(stack.oneshot(Call::new(1))).await;
        assert_eq!(ended.is_err(), does == Does::Panic, "{does:?}");
        assert_eq!(told(&balance), expected, "{does:?}");
        assert_eq!(stats(&balance).failed, u64::from(expected.is_some()), "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_call_will_change_is_told_though_it_says_nothing_of_the_instance() {
    let mut balance = balance(Strategy::RoundRobin, [&Instance::new("a", Does::RefuseCredentials)]);
    call(&mut balance).await.expect_err("it is not known there");
    assert_eq!(told(&balance), Some((Some(Code::HttpTransport), "who is that?".to_owned())));
    assert_eq!(stats(&balance).failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_caller_leaves_is_no_failure_to_tell_of() {
    let balance = balance(Strategy::RoundRobin, [&Instance::new("a", Does::Hang)]);
    let stack = DeadlineLayer::new(SECOND).layer(balance.clone());
    assert!(!poll_at_most(stack.oneshot(Call::new(1)), 3).await);
    assert_eq!((told(&balance), stats(&balance).failed), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn when_an_instance_was_used_is_known_of_calls_whose_time_is_not_taken_too() {
    let mut balance = balance(Strategy::RoundRobin, [&Instance::new("a", Does::Answer)]);
    // The first 64 are timed, and then one in 32.
    for _ in 0..90 {
        call(&mut balance).await.expect("an answer");
        tokio::time::advance(3 * SECOND).await;
        let used = stats(&balance).last_used.expect("it was used");
        let ago = clock::wall().duration_since(used).expect("in the past");
        assert_eq!(ago.as_secs_f64().round() as u64, 3);
    }
}
