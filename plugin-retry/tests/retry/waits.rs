//! How long a call waits between its attempts.

use std::{collections::BTreeSet, time::Duration};

use plugin_core::{Code, Rejected, clock};
use plugin_retry::{GaveUp, Jitter, RetryConfig, RetryLayer};
use tower::{Layer, ServiceExt};

use super::{
    common::{SECOND, Script, call, config, lost, ms, refused},
    over,
};

#[tokio::test(start_paused = true)]
async fn three_retries_are_four_attempts_after_about_100_200_and_400_ms() {
    let script = Script::failing_with(lost);
    let error = over(&script, RetryConfig::default()).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(error.code(), Code::ConnectionFailed);
    assert_eq!(script.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (wait, middle) in script.waits().into_iter().zip([100, 200, 400]) {
        // A timer of tokio fires on the next whole millisecond.
        assert!((middle * 9 / 10..=middle * 11 / 10 + 1).contains(&wait.as_millis()), "{wait:?}");
    }
    assert!(script.seen().iter().all(|seen| seen.payload == "payload"));
}

#[tokio::test(start_paused = true)]
async fn jitter_differs_for_every_call() {
    let first_waits: BTreeSet<_> = {
        let mut waits = BTreeSet::new();
        for _ in 0..50 {
            let script = Script::default().then(|| Err(lost()));
            over(&script, config(|set| set.with_initial_interval(SECOND))).oneshot(call()).await.expect("recovers");
            waits.insert(script.waits()[0]);
        }
        waits
    };
    // 50 of some 200 milliseconds: by chance at least 20 differ in all but one of many millions of runs.
    assert!(first_waits.len() >= 20, "{first_waits:?}");
    assert!(first_waits.iter().all(|wait| (900..=1101).contains(&wait.as_millis())), "{first_waits:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_can_be_constant_and_can_be_anything() {
    let script = Script::failing_with(lost);
    let constant = config(|set| set.with_constant_interval(ms(70)));
    over(&script, constant).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(script.waits(), [ms(70); 3]);

    let script = Script::failing_with(lost);
    let custom = config(|set| set.with_intervals(|retry| [ms(5), Duration::ZERO, ms(30)][retry as usize]));
    over(&script, custom).oneshot(call()).await.expect_err("never succeeds");
    assert_eq!(script.waits(), [ms(5), ms(0), ms(30)]);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_that_cannot_finish() {
    let script = Script::failing_with(lost);
    let layer = RetryLayer::new(config(|set| set.with_jitter(Jitter::None)));
    let start = clock::now();
    let error = layer.layer(script.clone()).oneshot(call().with_timeout(ms(300))).await.expect_err("never succeeds");
    // The second wait of 200 ms would end at the deadline: the last error comes at once, and is not a time-out.
    assert_eq!((error.code(), start.elapsed(), script.calls()), (Code::ConnectionFailed, ms(100), 2));
    assert_eq!(layer.handle().stats().gave_up(GaveUp::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn the_service_may_say_when_it_can_be_called_again() {
    let script = Script::default().then(|| Err(refused().with_retry_after(7 * SECOND)));
    over(&script, RetryConfig::default()).oneshot(call()).await.expect("recovers");
    let between = |waits: Vec<Duration>, least, most| waits.len() == 1 && (least..=most).contains(&waits[0]);
    assert!(between(script.waits(), 7 * SECOND, ms(7_701)), "{:?}", script.waits());

    let script = Script::default().then(|| Err(refused().with_retry_after(3600 * SECOND)));
    let capped = config(|set| set.with_max_retry_after(9 * SECOND));
    over(&script, capped).oneshot(call()).await.expect("recovers");
    assert!(between(script.waits(), 9 * SECOND, ms(9_901)), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn a_push_back_makes_no_wait_shorter_than_the_backoff() {
    let steady = || config(|set| set.with_constant_interval(ms(100)));
    for (asked, waited) in [(Duration::ZERO, ms(100)), (ms(99), ms(100)), (ms(101), ms(101))] {
        let script = Script::failing_with(refused)
            .then(move || Err(refused().with_retry_after(asked)))
            .then(move || Err(refused().with_retry_after(asked)));
        over(&script, steady()).oneshot(call()).await.expect_err("never succeeds");
        assert_eq!(script.waits()[..2], [waited; 2], "{asked:?}");
    }
    // What caps the push-back does not cap the backoff.
    let script = Script::default().then(|| Err(refused().with_retry_after(SECOND)));
    let capped = config(|set| set.with_constant_interval(ms(100)).with_max_retry_after(ms(50)));
    over(&script, capped).oneshot(call()).await.expect("recovers");
    assert_eq!(script.waits(), [ms(100)]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_were_told_the_same_moment_do_not_come_at_it_together_and_none_before_it() {
    let mut waits = BTreeSet::new();
    for _ in 0..50 {
        let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
        over(&script, RetryConfig::default()).oneshot(call()).await.expect("recovers");
        waits.extend(script.waits());
    }
    assert!(waits.len() > 20 && waits.iter().all(|wait| (SECOND..=ms(1_101)).contains(wait)), "{waits:?}");
    // Who has no time for more comes in time.
    let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
    over(&script, RetryConfig::default()).oneshot(call().with_timeout(ms(1_010))).await.expect("in time");
    assert!(script.waits()[0] <= ms(1_006), "{:?}", script.waits());
    // Settings without jitter are kept to the letter.
    let script = Script::default().then(|| Err(Rejected::probes_running(SECOND).into()));
    over(&script, config(|set| set.with_jitter(Jitter::None))).oneshot(call()).await.expect("recovers");
    assert_eq!(script.waits(), [SECOND]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_added_to_a_backoff_that_is_longer_than_what_was_asked() {
    let steady = || config(|set| set.with_initial_interval(SECOND).with_max_interval(SECOND));
    for _ in 0..50 {
        let script = Script::default().then(|| Err(refused().with_retry_after(ms(500))));
        over(&script, steady()).oneshot(call()).await.expect("recovers");
        assert!(script.waits()[0] <= ms(1_001), "the longest wait is that with its jitter: {:?}", script.waits());
    }
}

#[tokio::test(start_paused = true)]
async fn a_decorrelated_wait_goes_by_the_one_before() {
    let growing = || {
        config(|set| {
            set.with_jitter(Jitter::Decorrelated).with_max_interval(60 * SECOND).with_max_retries(10).without_budget()
        })
    };
    let mut waits = Vec::new();
    for _ in 0..20 {
        let script = Script::failing_with(lost);
        over(&script, growing()).oneshot(call()).await.expect_err("never succeeds");
        waits.extend(script.waits());
    }
    // By the first of 100 ms alone none would be longer than 300 ms.
    assert!(waits.iter().max() > Some(&SECOND), "{waits:?}");
}
