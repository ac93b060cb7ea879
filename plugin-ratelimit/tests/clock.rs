//! Buckets on a machine whose counter is set back, jumps or stands still.

use std::time::Duration;

use plugin_core::clock::fake::Machine;
use plugin_ratelimit::{RateLimitConfig, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);
const HOURS: Duration = Duration::from_secs(7 * 3600);

/// Ten tokens a second, a hundred at most, all taken.
fn empty() -> TokenBucket {
    let config = RateLimitConfig::builder().with_requests_per_second(10.0).with_burst_size(100);
    let bucket = TokenBucket::new(config.build().expect("valid"));
    bucket.try_acquire(100).expect("full");
    bucket
}

#[test]
fn a_bucket_fills_after_the_counter_was_set_back() {
    for back in [SECOND / 1000, SECOND, HOURS] {
        let machine = Machine::install();
        let bucket = empty();
        machine.set_back(back);
        for tokens in 1..=10 {
            machine.pass(SECOND / 10);
            assert_eq!(bucket.remaining(), Some(tokens), "set back by {back:?}");
        }
    }
}

#[test]
fn a_bucket_fills_while_the_counter_stands_still() {
    let machine = Machine::install();
    let bucket = empty();
    for tokens in 1..=10 {
        machine.stand_still(SECOND / 10);
        assert_eq!(bucket.remaining(), Some(tokens));
    }
}

#[test]
fn a_counter_that_jumps_fills_no_bucket() {
    let machine = Machine::install();
    let bucket = empty();
    machine.jump(HOURS);
    assert_eq!(bucket.remaining(), Some(0));
    machine.pass(SECOND);
    assert_eq!(bucket.remaining(), Some(10));
}
