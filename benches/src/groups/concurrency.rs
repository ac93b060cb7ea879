//! A limit on calls in flight that always has a place, and one that has none.

use std::convert::Infallible;

use plugin_core::{PluginError, Rejected};
use plugin_ratelimit::concurrency::{
    AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer,
};
use plugin_ratelimit::throttle::AdaptiveThrottleLayer;
use tower::limit::ConcurrencyLimitLayer as TowerLayer;
use tower::{Layer, ServiceBuilder};
use tower_resilience_bulkhead::BulkheadLayer;

use super::{
    GroupEntry,
    payload::{bare_rows, layer_rows},
};
use crate::harness::{Group, echo};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "concurrency",
    about: "A limit on calls in flight, shared by all who call. A place is always free, except in the rows that say so. One \
            limit is one word, so two threads must meet on it: read the nanoseconds, not the scaling.",
    peers: &["tower", "tower-resilience-bulkhead"],
    rows,
};

/// More places than there are callers.
const PLENTY: u32 = 1000;

fn plenty() -> ConcurrencyLimitConfig {
    ConcurrencyLimitConfig::builder().with_max(PLENTY).build().expect("within the bounds")
}

fn adaptive() -> ConcurrencyLimitConfig {
    let vegas = AdaptiveConfig::new(AdaptiveAlgorithm::Vegas).with_min(PLENTY / 2).with_initial(PLENTY);
    plenty().to_builder().with_adaptive(vegas).build().expect("within the bounds")
}

/// One place, and nobody may wait for it.
fn full() -> ConcurrencyLimitConfig {
    ConcurrencyLimitConfig::builder().with_max(1).with_queue(0).build().expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    group.service("bare service", bare, || 1_u64);

    group.always("tokio Semaphore::try_acquire", tokio::sync::Semaphore::new(PLENTY as usize), |semaphore| {
        semaphore.try_acquire().is_ok()
    });
    group
        .always("ConcurrencyLimit::try_acquire", ConcurrencyLimit::new(plenty()), |limit| limit.try_acquire().is_ok())
        .against("tokio Semaphore::try_acquire");
    let none = ConcurrencyLimit::new(full());
    let held = none.try_acquire().expect("the only place");
    group.always("ConcurrencyLimit::try_acquire, refused", (none, held), |(limit, _)| limit.try_acquire().is_err());

    let tower = ServiceBuilder::new().layer(TowerLayer::new(PLENTY as usize)).service(echo::<Infallible>());
    group.service("tower layer", tower, || 1_u64);
    let resilience = BulkheadLayer::builder().max_concurrent_calls(PLENTY as usize).build().expect("a limit");
    let resilience = ServiceBuilder::new().layer(resilience).service(echo::<Infallible>());
    group.service("tower-resilience layer", resilience, || 1_u64);
    group
        .service("ConcurrencyLimitLayer", ConcurrencyLimitLayer::new(plenty()).layer(bare), || 1_u64)
        .against("tower layer");
    group.service("ConcurrencyLimitLayer, adaptive", ConcurrencyLimitLayer::new(adaptive()).layer(bare), || 1_u64);
    group.service("ConcurrencyLimitLayer, disabled", ConcurrencyLimitLayer::disabled().layer(bare), || 1_u64);
    let none = ConcurrencyLimitLayer::new(full());
    // Nobody gives it back: the place is taken for as long as the run lasts.
    std::mem::forget(none.handle().limit().try_acquire());
    group.refusal("ConcurrencyLimitLayer, refused", none.layer(echo::<Rejected>()), || 1_u64);
    group.service("AdaptiveThrottleLayer", AdaptiveThrottleLayer::default().layer(bare), || 1_u64);
    group.aim("ConcurrencyLimitLayer", 12.0);
    group.note(
        "A permit outlives the call that took it, as the body of a response does: so it counts who holds the limit beside the place \
         itself. That is four atomic operations for each call, which alone are more than the aim.",
    );
    bare_rows(group);
    layer_rows(group, "ConcurrencyLimitLayer", &ConcurrencyLimitLayer::new(plenty()));
}
