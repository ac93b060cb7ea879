//! What holds for every source: which set holds, who is told of it, and what ends.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_discovery::{Discovery, DiscoveryConfig, FaultKind, FoundInstance, Publisher, StaticSource};
use static_assertions::assert_impl_all;
use tokio::sync::{mpsc, oneshot};

assert_impl_all!(Discovery: Clone, Send, Sync, std::fmt::Debug);
assert_impl_all!(plugin_discovery::Following: Send, Sync, std::fmt::Debug);
assert_impl_all!(Publisher: Clone, Send, Sync, std::fmt::Debug);
assert_impl_all!(plugin_discovery::NoInstanceError: std::error::Error, Clone, Send, Sync);

const MINUTE: Duration = Duration::from_secs(60);

/// A source that the test speaks for.
async fn by_hand(config: DiscoveryConfig) -> (Discovery, Publisher) {
    let (tell, told) = oneshot::channel();
    let discovery = Discovery::start_with(config, |publisher: Publisher| async move {
        let _is_awaited = tell.send(publisher);
        pending().await
    });
    (discovery, told.await.expect("the source runs"))
}

fn found(addresses: &[&'static str]) -> Vec<FoundInstance> {
    addresses.iter().copied().map(FoundInstance::new).collect()
}

fn names(discovery: &Discovery) -> Vec<String> {
    discovery.instances().iter().map(|found| found.name().to_owned()).collect()
}

fn kind(discovery: &Discovery) -> Option<FaultKind> {
    discovery.fault().map(|fault| fault.kind())
}

/// Lets the task of the discovery do what is due.
async fn after(time: Duration) {
    tokio::time::sleep(time).await;
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_is_sorted_has_each_name_once_and_of_two_the_first() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish([
        FoundInstance::new("c:1"),
        FoundInstance::new("a:1").with_weight(3),
        FoundInstance::new("b:1"),
        FoundInstance::new("a:1").with_weight(5),
    ]);
    assert_eq!(names(&discovery), ["a:1", "b:1", "c:1"]);
    assert_eq!(discovery.instances()[0].weight(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_the_same_in_another_order_is_told_to_nobody() {
    let (mut discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1", "b:1"]));
    let first = discovery.changed().await;
    publisher.publish(found(&["b:1", "a:1"]));
    assert!(tokio::time::timeout(MINUTE, discovery.changed()).await.is_err());
    assert!(Arc::ptr_eq(&first, &discovery.instances()));

    // Whatever differs is another set, be it a weight.
    publisher.publish([FoundInstance::new("a:1").with_weight(2), FoundInstance::new("b:1")]);
    assert_eq!(discovery.changed().await[0].weight(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_empty_set_is_believed_when_it_has_lasted() {
    let (mut discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    discovery.changed().await;
    publisher.publish([]);
    assert_eq!((names(&discovery).len(), kind(&discovery), discovery.is_stale()), (1, Some(FaultKind::Empty), true));
    after(4 * MINUTE).await;
    // Said again, it is not younger.
    publisher.publish([]);
    after(MINUTE - Duration::from_millis(1)).await;
    assert_eq!(names(&discovery).len(), 1);
    after(Duration::from_millis(1)).await;
    let holds = (names(&discovery).len(), kind(&discovery), discovery.is_stale());
    assert_eq!(holds, (0, Some(FaultKind::Empty), false), "nothing is kept in spite of it any more");
    assert!(discovery.changed().await.is_empty());
    publisher.publish(found(&["b:1"]));
    assert_eq!(discovery.changed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_good_answer_begins_the_time_anew() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    publisher.publish([]);
    after(4 * MINUTE).await;
    publisher.publish(found(&["a:1"]));
    assert_eq!(kind(&discovery), None);
    publisher.publish([]);
    after(4 * MINUTE).await;
    assert_eq!(names(&discovery).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_said_not_to_exist_is_kept_as_long_as_an_empty_one() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    publisher.fault(FaultKind::Absent, "no such name");
    after(5 * MINUTE - Duration::from_millis(1)).await;
    assert_eq!(names(&discovery).len(), 1);
    after(Duration::from_millis(1)).await;
    assert_eq!((names(&discovery).len(), kind(&discovery)), (0, Some(FaultKind::Absent)));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_answer_takes_nothing_away_ever() {
    for fault in [FaultKind::Unreachable, FaultKind::Refused, FaultKind::Unreadable, FaultKind::Ended] {
        let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
        publisher.publish(found(&["a:1"]));
        publisher.fault(fault, "what it is");
        after(365 * 24 * 60 * MINUTE).await;
        assert_eq!((names(&discovery).len(), kind(&discovery), discovery.is_stale()), (1, Some(fault), true));
    }
}

#[tokio::test(start_paused = true)]
async fn or_for_as_long_as_it_is_told() {
    let config = DiscoveryConfig::builder().with_keep_for(MINUTE).build().expect("in bounds");
    let (discovery, publisher) = by_hand(config).await;
    publisher.publish(found(&["a:1"]));
    publisher.fault(FaultKind::Unreachable, "no answer");
    after(MINUTE / 2).await;
    publisher.fault(FaultKind::Refused, "SERVFAIL");
    after(MINUTE / 2 - Duration::from_millis(1)).await;
    assert_eq!(names(&discovery).len(), 1);
    after(Duration::from_millis(1)).await;
    assert_eq!((names(&discovery).len(), kind(&discovery)), (0, Some(FaultKind::Refused)));
}

#[tokio::test(start_paused = true)]
async fn it_is_judged_by_what_it_says_now() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    publisher.fault(FaultKind::Absent, "no such name");
    after(MINUTE).await;
    publisher.fault(FaultKind::Unreachable, "no answer");
    after(60 * MINUTE).await;
    assert_eq!(names(&discovery).len(), 1, "nobody says now that there is none");
    publisher.fault(FaultKind::Absent, "no such name");
    assert_eq!(names(&discovery).len(), 0, "it has said so for long enough, with nothing better between");
}

#[tokio::test(start_paused = true)]
async fn with_no_time_an_empty_set_is_believed_at_once() {
    let config = DiscoveryConfig::builder().with_keep_empty_for(Duration::ZERO).build().expect("in bounds");
    let (discovery, publisher) = by_hand(config).await;
    publisher.publish(found(&["a:1"]));
    publisher.publish([]);
    assert_eq!((names(&discovery).len(), kind(&discovery)), (0, Some(FaultKind::Empty)));
}

#[tokio::test(start_paused = true)]
async fn to_hear_first_that_there_are_none_is_to_know_it() {
    for absent in [false, true] {
        let (mut discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
        publisher.fault(FaultKind::Unreachable, "no answer");
        assert_eq!(discovery.age(), None);
        assert!(tokio::time::timeout(MINUTE, discovery.changed()).await.is_err(), "nothing is known");
        if absent {
            publisher.fault(FaultKind::Absent, "no such name")
        } else {
            publisher.publish([])
        }
        assert!(discovery.changed().await.is_empty());
        assert_eq!((discovery.age(), discovery.is_stale()), (Some(Duration::ZERO), false));
        // And once only.
        publisher.publish([]);
        assert!(tokio::time::timeout(MINUTE, discovery.changed()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_is_the_set_and_the_fault_goes_on_beside_it() {
    let config = DiscoveryConfig::builder().with_keep_for(MINUTE).build().expect("in bounds");
    let (mut discovery, publisher) = by_hand(config).await;
    publisher.fault(FaultKind::Refused, "SERVFAIL");
    after(MINUTE).await;
    publisher.publish_part(found(&["a:1"]), [], FaultKind::Unreachable, "half of it does not answer");
    assert_eq!(discovery.changed().await.len(), 1);
    after(MINUTE).await;
    let fault = discovery.fault().expect("it has one");
    assert_eq!((fault.kind(), fault.message()), (FaultKind::Unreachable, "half of it does not answer"));
    assert_eq!(fault.age(), 2 * MINUTE);
    after(MINUTE).await;
    assert_eq!(names(&discovery), ["a:1"], "what was found is no old set");
    publisher.publish_part(found(&["b:1"]), [], FaultKind::Unreachable, "half of it does not answer");
    assert_eq!(discovery.changed().await[0].name(), "b:1");
    publisher.publish_part([], [], FaultKind::Unreachable, "none of it answers");
    assert_eq!(names(&discovery), ["b:1"]);
    after(MINUTE).await;
    assert_eq!(names(&discovery).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_part_said_last_is_kept_as_long_as_a_set_would_be_and_is_as_old_as_it_is() {
    let config = DiscoveryConfig::builder().with_keep_for(3 * MINUTE).build().expect("in bounds");
    let (mut discovery, publisher) = by_hand(config).await;
    publisher.publish(found(&["a:1", "b:1"]));
    discovery.changed().await;
    let part = || publisher.publish_part(found(&["a:1"]), found(&["b:1"]), FaultKind::Refused, "SERVFAIL of b");
    after(MINUTE).await;
    for minutes in 0..3 {
        // Said again, it is not younger; nor by a round that had no answer at all.
        if minutes == 1 {
            publisher.fault(FaultKind::Unreachable, "no answer")
        } else {
            part()
        }
        assert_eq!((names(&discovery).len(), discovery.age()), (2, Some((minutes + 1) * MINUTE)));
        after(MINUTE - Duration::from_millis(u64::from(minutes == 2))).await;
    }
    assert_eq!(names(&discovery), ["a:1", "b:1"]);
    after(Duration::from_millis(1)).await;
    assert_eq!((names(&discovery), discovery.changed().await.len()), (vec!["a:1".to_owned()], 1));
    assert_eq!((kind(&discovery), discovery.age()), (Some(FaultKind::Refused), Some(MINUTE)));
    // It stays away however often it is said to be old, and nothing makes it good but an answer.
    part();
    publisher.confirm();
    assert_eq!((names(&discovery).len(), kind(&discovery)), (1, Some(FaultKind::Refused)));
    publisher.publish(found(&["a:1", "b:1"]));
    assert_eq!((names(&discovery).len(), kind(&discovery), discovery.age()), (2, None, Some(Duration::ZERO)));
    part();
    after(2 * MINUTE).await;
    assert_eq!(names(&discovery).len(), 2, "one good answer begins the time anew");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_part_that_fails_after_the_whole_did_counts_from_there() {
    let config = DiscoveryConfig::builder().with_keep_for(3 * MINUTE).build().expect("in bounds");
    let (discovery, publisher) = by_hand(config).await;
    publisher.publish(found(&["a:1", "b:1"]));
    publisher.fault(FaultKind::Unreachable, "no answer");
    after(2 * MINUTE).await;
    publisher.publish_part(found(&["a:1"]), found(&["b:1"]), FaultKind::Refused, "SERVFAIL of b");
    after(MINUTE).await;
    assert_eq!(names(&discovery), ["a:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_says_that_it_has_none_is_believed_when_that_has_lasted_and_one_without_an_answer_never() {
    for (fault, left) in [(FaultKind::Absent, 0), (FaultKind::Unreachable, 1)] {
        let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
        publisher.publish(found(&["a:1", "b:1"]));
        publisher.publish_part([], found(&["b:1"]), fault, "what it is");
        publisher.confirm();
        publisher.publish_part([], found(&["b:1"]), fault, "what it is");
        after(5 * MINUTE - Duration::from_millis(1)).await;
        assert_eq!(names(&discovery), ["b:1"]);
        after(Duration::from_millis(1)).await;
        assert_eq!((names(&discovery).len(), kind(&discovery)), (left, Some(fault)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_lasts_from_the_first_to_the_next_good_answer() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    publisher.fault(FaultKind::Unreachable, "no answer");
    after(MINUTE).await;
    publisher.fault(FaultKind::Refused, "SERVFAIL");
    let fault = discovery.fault().expect("it has one");
    assert_eq!((fault.message(), fault.age()), ("SERVFAIL", MINUTE));
    assert_eq!(discovery.age(), Some(MINUTE), "the set is as old as the last good answer");
    publisher.confirm();
    assert_eq!((kind(&discovery), discovery.age()), (None, Some(Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn what_says_that_there_are_none_cannot_be_confirmed_into_something_good() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.confirm();
    assert_eq!(discovery.age(), None, "nothing was published yet");
    publisher.publish(found(&["a:1"]));
    publisher.publish([]);
    publisher.confirm();
    assert_eq!(kind(&discovery), Some(FaultKind::Empty));
    after(5 * MINUTE).await;
    assert_eq!(names(&discovery).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_set_is_waited_for_and_the_error_says_what_is_wrong() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    let error = discovery.first(MINUTE).await.expect_err("there is none");
    assert_eq!((error.to_string().as_str(), error.fault()), ("no instance was found within 1m", None));
    publisher.fault(FaultKind::Absent, "no such name");
    let error = discovery.first(MINUTE).await.expect_err("there is none");
    assert_eq!(error.to_string(), "no instance was found within 1m: no such name");
    publisher.publish([]);
    assert!(discovery.first(MINUTE).await.is_err(), "an empty set is none to begin with");
    let (first, ()) = tokio::join!(discovery.first(MINUTE), async {
        after(MINUTE / 2).await;
        publisher.publish(found(&["a:1"]));
    });
    assert_eq!(first.expect("in time").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_ends_or_panics_is_a_fault_and_its_set_is_kept() {
    let ends = Discovery::start(|publisher: Publisher| async move { publisher.publish(found(&["a:1"])) });
    let panics = Discovery::start(|publisher: Publisher| async move {
        publisher.publish(found(&["a:1"]));
        tokio::task::yield_now().await;
        panic!("a mistake of the source");
    });
    after(MINUTE).await;
    for (discovery, message) in [(ends, "the source has ended"), (panics, "the source panicked")] {
        let fault = discovery.fault().expect("it has one");
        assert_eq!((fault.kind(), fault.message()), (FaultKind::Ended, message));
        assert_eq!(names(&discovery), ["a:1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_source_ends_with_the_last_handle_or_guard() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let ends = Ends(Arc::clone(&ended));
    let discovery = Discovery::start(move |publisher: Publisher| async move {
        let _ends = ends;
        publisher.publish(found(&["a:1"]));
        pending().await
    });
    let clone = discovery.clone();
    let following = discovery.for_each(|_| ());
    drop(discovery);
    drop(clone);
    after(MINUTE).await;
    assert_eq!(ended.load(Ordering::SeqCst), 0, "who follows keeps it going");
    drop(following);
    after(MINUTE).await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn for_each_is_called_with_what_there_is_before_it_returns_and_then_with_each_other_set() {
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    let sets = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&sets);
    let following = discovery.for_each(move |set: &[FoundInstance]| into.lock().expect("whole").push(set.len()));
    let seen = || sets.lock().expect("whole").clone();
    assert_eq!(seen(), [1]);
    publisher.publish(found(&["a:1", "b:1"]));
    after(MINUTE).await;
    publisher.publish(found(&["b:1", "a:1"]));
    publisher.fault(FaultKind::Unreachable, "no answer");
    after(MINUTE).await;
    assert_eq!(seen(), [1, 2], "neither the same set nor a fault is told");
    drop(following);
    publisher.publish([]);
    after(6 * MINUTE).await;
    assert_eq!((seen(), names(&discovery).len()), (vec![1, 2], 0));
}

#[tokio::test(start_paused = true)]
async fn for_each_of_an_unknown_service_waits_for_the_first_set() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    let _following = discovery.for_each(move |set: &[FoundInstance]| tell.send(set.len()).expect("read"));
    after(MINUTE).await;
    assert!(told.try_recv().is_err());
    publisher.publish([]);
    assert_eq!(told.recv().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_is_called_with_the_next_set_all_the_same() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let (discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    let following = discovery.for_each(move |set: &[FoundInstance]| {
        tell.send(set.len()).expect("read");
        assert_ne!(set.len(), 2, "a mistake of the closure");
    });
    for (set, panics) in [(&["a:1"][..], false), (&["a:1", "b:1"], true), (&["a:1", "b:1", "c:1"], false)] {
        publisher.publish(found(set));
        after(MINUTE).await;
        assert_eq!((told.try_recv(), following.has_panicked()), (Ok(set.len()), panics));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_when_it_begins_when_it_changes_and_when_it_ends() {
    let (mut discovery, publisher) = by_hand(DiscoveryConfig::default()).await;
    publisher.publish(found(&["a:1"]));
    assert!(tokio::time::timeout(MINUTE, discovery.fault_changed()).await.is_err(), "all is well");
    for (fault, message) in [(FaultKind::Unreachable, "no answer"), (FaultKind::Refused, "SERVFAIL")] {
        publisher.fault(fault, message);
        let told = discovery.fault_changed().await.expect("it has one");
        assert_eq!((told.kind(), told.message()), (fault, message));
        // Said again, or with another set, it is the same.
        publisher.fault(fault, message);
        publisher.publish_part(found(&["b:1"]), [], fault, message);
        assert!(tokio::time::timeout(MINUTE, discovery.fault_changed()).await.is_err());
    }
    publisher.publish(found(&["a:1"]));
    assert_eq!(discovery.fault_changed().await, None);
    // One that is as before, and began anew meanwhile, is another one.
    publisher.fault(FaultKind::Refused, "SERVFAIL");
    let first = discovery.fault_changed().await;
    publisher.publish(found(&["a:1"]));
    after(MINUTE).await;
    publisher.fault(FaultKind::Refused, "SERVFAIL");
    assert_ne!(discovery.fault_changed().await, first);
}

#[tokio::test(start_paused = true)]
async fn each_handle_is_told_of_each_set_and_of_several_of_the_newest() {
    let (mut one, publisher) = by_hand(DiscoveryConfig::default()).await;
    let mut other = one.clone();
    publisher.publish(found(&["a:1"]));
    assert_eq!(one.changed().await.len(), 1);
    publisher.publish(found(&["a:1", "b:1"]));
    publisher.publish(found(&["a:1", "b:1", "c:1"]));
    assert_eq!((one.changed().await.len(), other.changed().await.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_found_and_stays() {
    let discovery = Discovery::start(StaticSource::at(["b:1", "a:1"]));
    assert_eq!(discovery.first(MINUTE).await.expect("it is known").len(), 2);
    after(60 * MINUTE).await;
    assert_eq!((names(&discovery), kind(&discovery)), (vec!["a:1".to_owned(), "b:1".to_owned()], None));
}
