//! The bucket under random schedules: never more than its share, never less than it owes, and as `governor` decides.

use std::{num::NonZeroU32, task::Poll, time::Duration};

use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use plugin_core::clock::{self, Instant};
use plugin_ratelimit::{RateLimitConfig, TokenBucket, UntilReady};
use proptest::prelude::*;
use tokio::time::advance;
use tokio_test::task;

fn bucket(per_second: f64, burst: u32) -> TokenBucket {
    let config = RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst);
    TokenBucket::new(config.build().expect("valid"))
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Try(u32),
    /// A caller that is polled whenever there may be something for it, until it is served or dropped.
    Wait(u32),
    /// A caller that is polled once, so that it is given tokens and never learns of it, until it is dropped.
    Forget(u32),
    DropWaiting(usize),
    DropForgotten(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0u64..400).prop_map(Step::Advance),
        3 => (1u32..5).prop_map(Step::Try),
        3 => (1u32..5).prop_map(Step::Wait),
        3 => (1u32..5).prop_map(Step::Forget),
        1 => any::<usize>().prop_map(Step::DropWaiting),
        3 => any::<usize>().prop_map(Step::DropForgotten),
    ];
    prop::collection::vec(step, 1..150)
}

type Waiting = Vec<(u32, task::Spawn<UntilReady>)>;

/// Polls all who wait, and gives back what those who are served asked for.
fn poll_all(waiting: &mut Waiting) -> Vec<u32> {
    let mut served = Vec::new();
    waiting.retain_mut(|(cost, wait)| match wait.poll() {
        Poll::Ready(result) => {
            result.expect("it fits");
            served.push(*cost);
            false
        }
        Poll::Pending => true,
    });
    served
}

fn drop_one<T>(all: &mut Vec<T>, pick: usize) {
    if !all.is_empty() {
        all.remove(pick % all.len());
    }
}

/// Runs the steps, and gives back at which millisecond how many tokens were handed out.
fn run(bucket: &TokenBucket, steps: Vec<Step>) -> Vec<(u64, u64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let start = clock::now();
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let (mut waiting, mut forgotten) = (Waiting::new(), Waiting::new());
        for step in steps {
            let mut served = Vec::new();
            match step {
                // Millisecond by millisecond, since what is granted counts from when it is granted.
                Step::Advance(millis) => {
                    for _ in 0..millis {
                        advance(Duration::from_millis(1)).await;
                        let at = u64::try_from(start.elapsed().as_millis()).expect("short");
                        taken.extend(poll_all(&mut waiting).into_iter().map(|cost| (at, cost.into())));
                    }
                }
                Step::Try(cost) => served.extend(bucket.try_acquire(cost).is_ok().then_some(cost)),
                Step::Wait(cost) => waiting.push((cost, task::spawn(bucket.until_ready(cost)))),
                Step::Forget(cost) => {
                    let mut wait = task::spawn(bucket.until_ready(cost));
                    match wait.poll() {
                        Poll::Ready(_) => served.push(cost),
                        Poll::Pending => forgotten.push((cost, wait)),
                    }
                }
                Step::DropWaiting(pick) => drop_one(&mut waiting, pick),
                Step::DropForgotten(pick) => drop_one(&mut forgotten, pick),
            }
            served.extend(poll_all(&mut waiting));
            let at = u64::try_from(start.elapsed().as_millis()).expect("short");
            taken.extend(served.into_iter().map(|cost| (at, cost.into())));
        }
        drop((waiting, forgotten));
        // Every token was handed out or is back, within the time in which all of the bucket refills.
        advance(Duration::from_millis(400)).await;
        assert_eq!(bucket.try_acquire(4), Ok(()), "a token was lost, or somebody is left in line");
        taken
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_window_lets_through_more_than_its_share_though_waits_are_dropped_anywhere(steps in steps()) {
        let bucket = bucket(10.0, 4);
        let taken = run(&bucket, steps);
        for (first, &(from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for &(to, cost) in &taken[first..] {
                sum += cost;
                prop_assert!(sum * 100 <= 400 + (to - from), "{sum} tokens in {} ms", to - from);
            }
        }
    }

    #[test]
    fn the_bucket_decides_as_governor_does(
        interval in 1u32..2_000_000, burst in 1u32..50, steps in prop::collection::vec((0u64..5_000_000, 1u32..60), 1..300),
    ) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_nanos(interval.into())).expect("not zero");
        let peer = RateLimiter::direct_with_clock(quota.allow_burst(NonZeroU32::new(burst).expect("not zero")), clock.clone());
        let rate = 1e9 / f64::from(interval);
        // Rates above ten million per second are out of our bounds.
        prop_assume!(rate <= 1e7);
        let bucket = bucket(rate, burst);
        let mut now = Instant::from_nanos(1 << 40);
        for (step, cost) in steps {
            clock.advance(Duration::from_nanos(step));
            now = now.saturating_add(Duration::from_nanos(step));
            let ours = bucket.try_acquire_at(cost, now);
            match peer.check_n(NonZeroU32::new(cost).expect("not zero")) {
                Err(_) => prop_assert_eq!(ours.map_err(|refused| refused.retry_after()), Err(None)),
                Ok(theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_ok()),
            }
        }
    }
}
