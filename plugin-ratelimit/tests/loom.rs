//! Every interleaving of two or three threads on one bucket, and on one concurrency limit.
#![cfg(loom)]

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Wake},
    time::Duration,
};

use loom::thread;
use plugin_core::{AsErrorValue, Call, PluginError, clock::Instant, deadline};
use plugin_ratelimit::{
    KeyedRateLimitConfig, KeyedTokenBucket, RateLimitConfig, TokenBucket,
    concurrency::{Acquire, ConcurrencyLimit, ConcurrencyLimitConfig, Permit},
};

const NOW: Instant = Instant::from_nanos(5_000_000_000);

fn config(burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(burst).build().expect("valid")
}

fn takes(bucket: &TokenBucket, tokens: u32) -> thread::JoinHandle<bool> {
    let bucket = bucket.clone();
    thread::spawn(move || bucket.try_acquire_at(tokens, NOW).is_ok())
}

#[test]
fn two_threads_never_take_the_same_token() {
    loom::model(|| {
        let bucket = TokenBucket::new(config(3));
        let (first, second) = (takes(&bucket, 2), takes(&bucket, 2));
        let passed = [first.join().expect("no panic"), second.join().expect("no panic")];
        assert_eq!(passed.iter().filter(|passed| **passed).count(), 1);
        assert!(bucket.try_acquire_at(1, NOW).is_ok(), "the token that is left");
        assert!(bucket.try_acquire_at(1, NOW).is_err());
    });
}

#[test]
fn three_threads_take_what_is_there_and_no_more() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let bucket = TokenBucket::new(config(2));
        let threads = [takes(&bucket, 1), takes(&bucket, 1)];
        let mut passed = usize::from(bucket.try_acquire_at(1, NOW).is_ok());
        for thread in threads {
            passed += usize::from(thread.join().expect("no panic"));
        }
        assert_eq!(passed, 2);
    });
}

#[test]
fn no_decision_mixes_old_settings_with_new_ones() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        // With the burst of one setting and the interval of the other, four tokens would fit. Neither allows them.
        let slow = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(2).build().expect("valid");
        let fast = RateLimitConfig::builder().with_requests_per_second(4.0).with_burst_size(3).build().expect("valid");
        let bucket = TokenBucket::new(slow);
        let taker = takes(&bucket, 4);
        bucket.reconfigure(fast);
        bucket.reconfigure(slow);
        bucket.reconfigure(fast);
        assert!(!taker.join().expect("no panic"));
        assert!(bucket.try_acquire_at(3, NOW).is_ok(), "nothing was taken");
    });
}

#[test]
fn a_token_taken_while_settings_change_is_still_owed() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let bucket = TokenBucket::new(config(2));
        let taker = takes(&bucket, 1);
        bucket.reconfigure(config(3));
        assert!(taker.join().expect("no panic"));
        assert!(bucket.try_acquire_at(2, NOW).is_ok());
        assert!(bucket.try_acquire_at(1, NOW).is_err());
    });
}

#[test]
fn a_bucket_that_is_switched_off_and_on_refuses_nobody_while_off_and_forgets_nothing() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let bucket = TokenBucket::new(config(1));
        assert!(bucket.try_acquire_at(1, NOW).is_ok());
        let off = bucket.clone();
        let switch = thread::spawn(move || {
            off.disable();
            let passed = off.try_acquire_at(1, NOW).is_ok();
            off.enable();
            passed
        });
        let _either = bucket.try_acquire_at(1, NOW);
        assert!(switch.join().expect("no panic"));
        assert!(bucket.try_acquire_at(1, NOW).is_err(), "the token of before is still owed");
    });
}

/// A wait that ends at nobody's deadline while the model runs, so that it needs no timer.
fn model_of_waits(model: impl Fn() + Send + Sync + 'static) {
    let call = Call::new(()).with_timeout(Duration::from_secs(60 * 60));
    let run = |_: Call<()>| -> Ready<Result<(), PluginError>> {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(model);
        ready(Ok(()))
    };
    drop(deadline::enforce(call, run, AsErrorValue));
}

fn limit(max: u32) -> ConcurrencyLimit {
    ConcurrencyLimit::new(at_most(max))
}

fn at_most(max: u32) -> ConcurrencyLimitConfig {
    let day = Duration::from_secs(24 * 60 * 60);
    ConcurrencyLimitConfig::builder().with_max(max).with_queue(10).with_max_wait(day).build().expect("valid")
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Somebody who asks for a permit.
struct Asker {
    acquire: Acquire,
    woken: Arc<Woken>,
}

impl Asker {
    fn new(limit: &ConcurrencyLimit) -> Self {
        Self { acquire: limit.acquire(), woken: Arc::default() }
    }

    fn poll(&mut self) -> Option<Permit> {
        let waker = Arc::clone(&self.woken).into();
        match Pin::new(&mut self.acquire).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(permit) => Some(permit.expect("nothing is refused")),
            Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }
}

fn is_free(limit: &ConcurrencyLimit) {
    let stats = limit.stats();
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
    assert!(limit.try_acquire().is_ok());
}

#[test]
fn two_threads_never_hold_more_permits_than_there_are() {
    model_of_waits(|| {
        let limit = limit(1);
        let other = limit.clone();
        let thread = thread::spawn(move || other.try_acquire().ok());
        let own = limit.try_acquire().ok();
        let others = thread.join().expect("no panic");
        assert!(own.is_some() != others.is_some());
        drop((own, others));
        is_free(&limit);
    });
}

#[test]
fn a_permit_that_is_given_back_while_somebody_lines_up_finds_them() {
    model_of_waits(|| {
        let limit = limit(1);
        let permit = limit.try_acquire().expect("free");
        let mut asker = Asker::new(&limit);
        let thread = thread::spawn(move || drop(permit));
        let taken = asker.poll();
        thread.join().expect("no panic");
        let taken = taken.or_else(|| {
            assert!(asker.is_woken(), "nobody told it");
            asker.poll()
        });
        drop(taken.expect("its turn"));
        is_free(&limit);
    });
}

#[test]
fn a_permit_that_is_handed_to_somebody_who_goes_away_reaches_the_next() {
    model_of_waits(|| {
        let limit = limit(1);
        let permit = limit.try_acquire().expect("free");
        let (mut first, mut second) = (Asker::new(&limit), Asker::new(&limit));
        assert!(first.poll().is_none() && second.poll().is_none());
        let thread = thread::spawn(move || drop(permit));
        drop(first);
        thread.join().expect("no panic");
        assert!(second.is_woken());
        drop(second.poll().expect("its turn"));
        is_free(&limit);
    });
}

#[test]
fn a_limit_that_becomes_smaller_lets_nobody_in_beyond_it_from_then_on() {
    model_of_waits(|| {
        let limit = limit(2);
        let other = limit.clone();
        let thread = thread::spawn(move || {
            other.reconfigure(at_most(1));
            other.try_acquire().ok()
        });
        let own = limit.try_acquire().ok();
        let others = thread.join().expect("no panic");
        assert!(own.is_some() != others.is_some(), "the one or the other was first");
        drop((own, others));
        is_free(&limit);
    });
}

#[test]
fn a_limit_that_becomes_larger_while_a_permit_is_given_back_serves_both_who_wait() {
    model_of_waits(|| {
        let limit = limit(1);
        let permit = limit.try_acquire().expect("free");
        let (mut first, mut second) = (Asker::new(&limit), Asker::new(&limit));
        assert!(first.poll().is_none() && second.poll().is_none());
        let thread = thread::spawn(move || drop(permit));
        limit.reconfigure(at_most(2));
        thread.join().expect("no panic");
        let taken = (first.poll().expect("its turn"), second.poll().expect("its turn"));
        drop(taken);
        is_free(&limit);
    });
}

#[test]
fn a_limit_that_is_switched_off_while_somebody_lines_up_lets_them_pass() {
    model_of_waits(|| {
        let limit = limit(1);
        let _permit = limit.try_acquire().expect("free");
        let off = limit.clone();
        let thread = thread::spawn(move || off.disable());
        let mut asker = Asker::new(&limit);
        let taken = asker.poll();
        thread.join().expect("no panic");
        assert!(taken.or_else(|| asker.poll()).is_some());
    });
}

#[test]
fn of_three_threads_as_many_hold_permits_as_may() {
    model_of_waits(|| {
        // With two places free a thread takes one and looks afterwards; with one it looks first.
        let limit = limit(2);
        let threads = [(); 2].map(|()| {
            let limit = limit.clone();
            thread::spawn(move || limit.try_acquire().ok())
        });
        let own = limit.try_acquire().ok();
        let others = threads.map(|thread| thread.join().expect("no panic"));
        let held = usize::from(own.is_some()) + others.iter().flatten().count();
        assert_eq!((held, limit.stats().in_flight), (2, 2));
        drop((own, others));
        is_free(&limit);
    });
}

#[test]
fn nobody_is_refused_for_a_place_that_is_free_while_others_find_that_theirs_was_gone() {
    model_of_waits(|| {
        let limit = limit(2);
        let late = limit.clone();
        let thread = thread::spawn(move || late.try_acquire().ok());
        let (first, second) = (limit.try_acquire().ok(), limit.try_acquire().ok());
        drop(first);
        let third = limit.try_acquire().ok();
        let late = thread.join().expect("no panic");
        let held = [&second, &third, &late].into_iter().filter(|permit| permit.is_some()).count();
        assert_eq!((held, limit.stats().in_flight), (2, 2));
        drop((second, third, late));
        is_free(&limit);
    });
}

#[test]
fn who_finds_that_its_place_was_gone_keeps_none_from_those_in_line() {
    model_of_waits(|| {
        let limit = limit(2);
        let others = limit.clone();
        let thread = thread::spawn(move || {
            let (first, second) = (others.try_acquire().ok(), others.try_acquire().ok());
            let mut asker = Asker::new(&others);
            let taken = asker.poll();
            drop(first);
            (asker, taken, second)
        });
        // Late: it takes its place while those of the others are given back.
        drop(limit.try_acquire());
        let (mut asker, taken, second) = thread.join().expect("no panic");
        let taken = taken.or_else(|| {
            assert!(asker.is_woken(), "nobody told it");
            asker.poll()
        });
        drop((taken.expect("its turn"), second));
        is_free(&limit);
    });
}

#[test]
fn a_limit_that_is_switched_off_and_on_counts_what_began_while_it_was_on() {
    model_of_waits(|| {
        let limit = limit(2);
        let held = limit.try_acquire().expect("free");
        let other = limit.clone();
        let thread = thread::spawn(move || {
            let permit = other.try_acquire();
            drop(held);
            permit.expect("one is free, or nothing is limited")
        });
        limit.disable();
        let uncounted = limit.try_acquire().expect("nothing is limited");
        limit.enable();
        drop(uncounted);
        drop(thread.join().expect("no panic"));
        is_free(&limit);
    });
}

#[test]
fn nobody_stays_in_line_when_a_limit_is_switched_off_and_on() {
    model_of_waits(|| {
        let limit = limit(1);
        let permit = limit.try_acquire().expect("free");
        let switched = limit.clone();
        let thread = thread::spawn(move || {
            switched.disable();
            switched.enable();
        });
        let mut asker = Asker::new(&limit);
        let taken = asker.poll();
        drop(permit);
        thread.join().expect("no panic");
        drop(taken.or_else(|| asker.poll()).expect("its turn"));
        is_free(&limit);
    });
}

fn keyed(burst: u32, max_keys: u32) -> KeyedTokenBucket<u8> {
    let builder = KeyedRateLimitConfig::builder().with_limit(config(burst)).with_max_keys(max_keys);
    KeyedTokenBucket::new(builder.build().expect("valid"))
}

#[test]
fn two_threads_with_one_key_never_take_the_same_token() {
    loom::model(|| {
        let bucket = keyed(3, 2);
        let other = bucket.clone();
        let thread = thread::spawn(move || other.try_acquire_at(&7, 2, NOW).is_ok());
        let passed = [bucket.try_acquire_at(&7, 2, NOW).is_ok(), thread.join().expect("no panic")];
        assert_eq!(passed.iter().filter(|passed| **passed).count(), 1);
        assert!(bucket.try_acquire_at(&7, 1, NOW).is_ok() && bucket.try_acquire_at(&7, 1, NOW).is_err());
    });
}

#[test]
fn what_a_key_owes_outlives_a_change_of_settings_and_keys_that_come_meanwhile() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let bucket = keyed(2, 1);
        let other = bucket.clone();
        let thread = thread::spawn(move || {
            let first = other.try_acquire_at(&7, 1, NOW).is_ok();
            // It takes the place, or finds none and is sent to the overflow; nobody loses what he owes by it.
            let second = other.try_acquire_at(&8, 1, NOW).is_ok();
            first && second
        });
        bucket.reconfigure(config(3).into());
        assert!(thread.join().expect("no panic"));
        assert!(bucket.contains(&7));
        assert!(bucket.try_acquire_at(&7, 2, NOW).is_ok() && bucket.try_acquire_at(&7, 1, NOW).is_err());
    });
}
