//! A token bucket for each of one, ten thousand and a million keys; what a key takes of memory, and the longest calls of a flood.

use std::{num::NonZeroU32, sync::Arc};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use plugin_core::PluginError;
use plugin_ratelimit::{KeyedRateLimitConfig, KeyedRateLimitLayer, KeyedTokenBucket, RateLimitConfig};
use tower::Layer;

use super::{GroupEntry, eviction};
use crate::harness::{Case, Group, echo, live_bytes};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "ratelimit-keyed",
    about: "A token bucket for each key, of eight bytes. The keys come in an order that no cache foresees, and each is known \
            before the first call that is timed. The limit is never reached.",
    peers: &["governor"],
    rows,
};

const KEYS: [(u64, &str); 3] = [(1, "1 key"), (10_000, "10k keys"), (1_000_000, "1M keys")];

/// What each key may do: more than it asks for.
fn plenty() -> RateLimitConfig {
    RateLimitConfig::builder()
        .with_requests_per_second(1_000.0)
        .with_burst_size(u32::MAX)
        .build()
        .expect("within the bounds")
}

/// Tokens that each key owes already: eleven days of them.
const OWED: u32 = 1_000_000_000;

/// Places for a few more keys than come, so that all have one wherever they fall.
fn buckets(limit: RateLimitConfig, keys: u64) -> KeyedTokenBucket<u64> {
    let places = u32::try_from(keys + keys / 4).expect("small").max(1);
    let config = KeyedRateLimitConfig::builder().with_limit(limit).with_max_keys(places).build();
    KeyedTokenBucket::new(config.expect("within the bounds"))
}

fn governors() -> DefaultKeyedRateLimiter<u64> {
    RateLimiter::keyed(Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX))
}

/// Adds a row whose calls go through all keys in turn, each far from the one before it. Each thread goes its own way round.
fn row<T: Send + Sync + 'static>(
    group: &mut Group,
    name: String,
    state: T,
    keys: u64,
    passes: fn(&T, u64) -> bool,
) -> &mut Case {
    let state = Arc::new(state);
    // Of a prime, so that every key is met.
    let step = 982_451_653 % keys;
    group.case(name, move || {
        let (state, mut key) = (Arc::clone(&state), 0);
        move || {
            key += step;
            if key >= keys {
                key -= keys;
            }
            assert!(passes(&state, key), "a key that asks for less than it may was refused");
        }
    })
}

fn rows(group: &mut Group) {
    for (keys, name) in KEYS {
        let governor = governors();
        (0..keys).for_each(|key| assert!(governor.check_key(&key).is_ok()));
        let peer = format!("governor check_key, {name}");
        row(group, peer.clone(), governor, keys, |limiter, key| limiter.check_key(&key).is_ok());
        let ours = buckets(plenty(), keys);
        // They owe what comes back in days, or they would be forgotten and learned again at each call.
        (0..keys).for_each(|key| assert!(ours.try_acquire(&key, OWED).is_ok()));
        let name = format!("KeyedTokenBucket::try_acquire, {name}");
        row(group, name, ours, keys, |bucket, key| bucket.try_acquire(&key, 1).is_ok()).against(peer);
    }
    let bare = echo::<PluginError>();
    group.service("bare service", bare, || 1_u64);
    let layer = KeyedRateLimitLayer::new(plenty(), |key: &u64| Some(*key));
    assert!(layer.handle().bucket().try_acquire(&1, OWED).is_ok());
    group.service("KeyedRateLimitLayer, 1 key", layer.layer(bare), || 1_u64);
    for (row, ns) in [("1 key", 20.0), ("10k keys", 22.0), ("1M keys", 60.0)] {
        group.aim(format!("KeyedTokenBucket::try_acquire, {row}"), ns);
    }
    group.note(memory());
    group.note(eviction::pauses());
}

/// What is held for each of a million keys.
fn memory() -> String {
    const KEYS: u64 = 1_000_000;
    let each = |before: i64, keys: usize| (live_bytes() - before) as f64 / keys as f64;
    let before = live_bytes();
    let governor = governors();
    (0..KEYS).for_each(|key| assert!(governor.check_key(&key).is_ok()));
    let theirs = each(before, governor.len());
    drop(governor);
    let before = live_bytes();
    let day = RateLimitConfig::builder().with_requests_per_second(1.0 / 86_400.0).build().expect("within the bounds");
    let config = KeyedRateLimitConfig::builder().with_limit(day).with_max_keys(1_000_000).build();
    let ours = KeyedTokenBucket::<u64>::new(config.expect("within the bounds"));
    for key in 0..2 * KEYS {
        let _full_or_not = ours.try_acquire(&key, 1);
    }
    format!(
        "A million keys of eight bytes: {:.0} bytes for each at a full table, governor {theirs:.0} (which has no cap).",
        each(before, ours.keys()),
    )
}
