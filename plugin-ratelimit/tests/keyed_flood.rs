//! A flood of keys that each come once: memory, a busy key, and others who come meanwhile.
//!
//! Moments are given, and not read from a clock, so that a second of the flood takes what it takes.
#![cfg(not(loom))]

use plugin_core::clock::Instant;
use plugin_ratelimit::{KeyedRateLimitConfig, KeyedTokenBucket, RateLimitConfig};

const SECOND: u64 = 1_000_000_000;
/// Others who come once a second each.
const OTHERS: u64 = 1_000;
/// Requests of the busy key in a second.
const BUSY: u64 = 1_000;

struct Flood {
    keys_per_second: u64,
    max_keys: u32,
    seconds: u64,
}

impl Flood {
    /// Runs it on the default rate, ten in a second and twenty at once, and holds it to what is promised.
    fn run(&self) {
        let config = KeyedRateLimitConfig::builder().with_max_keys(self.max_keys).build().expect("valid");
        let limit = RateLimitConfig::default();
        let (mut busy, mut served, mut keys) = (0_u32, 0_u64, 0);
        let memory = allocation_counter::measure(|| {
            let bucket = KeyedTokenBucket::<u64>::new(config);
            let interval = SECOND / self.keys_per_second;
            let passes = |key: u64, now| bucket.try_acquire_at(&key, 1, Instant::from_nanos(now)).is_ok();
            for turn in 0..self.keys_per_second * self.seconds {
                let now = SECOND + turn * interval;
                // Keys of the flood, of the others and the busy one are told apart by their upper bits.
                passes(1 << 40 | turn, now);
                if turn % (self.keys_per_second / OTHERS) == 0 {
                    let other = turn / (self.keys_per_second / OTHERS) % OTHERS;
                    served += u64::from(passes(2 << 40 | other, now));
                }
                if turn % (self.keys_per_second / BUSY) == 0 {
                    busy += u32::from(passes(3 << 40, now));
                }
            }
            keys = bucket.keys();
        });
        let asked = OTHERS * self.seconds;
        let share = served as f64 / asked as f64;
        println!(
            "{} keys a second for {} s at a cap of {}: {keys} kept, {} bytes at most, busy key {busy}, others {:.1} %",
            self.keys_per_second,
            self.seconds,
            self.max_keys,
            memory.bytes_max,
            100.0 * share,
        );
        let most = 40 * u64::from(self.max_keys) + 64 * 1024;
        assert!(memory.bytes_max <= most, "{} bytes at most, and {most} are allowed", memory.bytes_max);
        assert!(keys <= self.max_keys as usize);
        let rate = limit.requests_per_second() as u32 * self.seconds as u32;
        let owed = limit.burst_size() + rate;
        assert!((rate..=owed).contains(&busy), "the busy key had {busy} of {owed}");
        assert!(share >= 0.95, "{served} of {asked} requests of others were served");
    }
}

#[test]
fn a_flood_of_keys_neither_forgets_a_debtor_nor_locks_others_out() {
    Flood { keys_per_second: 100_000, max_keys: 10_000, seconds: 4 }.run();
}

#[test]
#[ignore = "soak: ten million keys"]
fn soak_a_million_keys_a_second_at_a_cap_of_a_hundred_thousand() {
    Flood { keys_per_second: 1_000_000, max_keys: 100_000, seconds: 10 }.run();
}
