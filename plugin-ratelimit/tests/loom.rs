//! Every interleaving of two or three threads on one bucket.
#![cfg(loom)]

use loom::thread;
use plugin_core::clock::Instant;
use plugin_ratelimit::{KeyedRateLimitConfig, KeyedTokenBucket, RateLimitConfig, TokenBucket};

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
        bucket.reconfigure(config(3));
        assert!(thread.join().expect("no panic"));
        assert!(bucket.contains(&7));
        assert!(bucket.try_acquire_at(&7, 2, NOW).is_ok() && bucket.try_acquire_at(&7, 1, NOW).is_err());
    });
}
