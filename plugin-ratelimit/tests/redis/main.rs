//! Shared limits over real servers: one, one that goes away in every way, several behind sentinels, a cluster.
#![cfg(all(feature = "redis", not(loom)))]

mod any_askers;
mod away;
mod cluster;
#[cfg(feature = "envoy-rls")]
mod envoy;
#[cfg(feature = "http")]
mod layer;
mod own_limits;
mod restart;
mod script;
mod sentinel;
mod server;
mod sharing;
mod stored;
#[cfg(feature = "redis-tls")]
mod tls;

use std::{future::Future, time::Duration};

use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisConfigBuilder, RedisStore, SharedBucket, SharedMode};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);

/// So few tokens come back that none does while a test runs.
fn without_refill(burst: u32) -> RateLimitConfig {
    limit(1e-4, burst)
}

fn limit(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

/// Settings under which no answer is late, however busy the machine is.
fn patient(url: &str) -> RedisConfigBuilder {
    RedisConfig::builder(url).with_connect_timeout(LONG).with_timeout(LONG)
}

/// Settings for a server that goes away and comes back.
fn quick(url: &str) -> RedisConfigBuilder {
    RedisConfig::builder(url)
        .with_connect_timeout(SECOND)
        .with_timeout(Duration::from_millis(100))
        .with_heartbeat(Duration::from_millis(100))
        .with_recover_after(Duration::from_millis(100))
}

fn store(config: RedisConfigBuilder) -> RedisStore {
    RedisStore::new(config.build().expect("valid"))
}

async fn shared(config: RedisConfigBuilder) -> RedisStore {
    let store = store(config);
    within(store.until_shared()).await;
    store
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.expect("it ends")
}

/// Waits until it is so, whatever other processes do meanwhile.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(LONG, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

async fn until_mode(store: &RedisStore, mode: SharedMode) {
    until(&format!("it becomes {mode}"), || store.status().mode == mode).await;
}

/// Tries when it is told that the token is there.
async fn until_it_passes(bucket: &SharedBucket, key: &str) {
    within(async {
        while let Err(refused) = bucket.try_acquire(key, 1).await {
            tokio::time::sleep(refused.retry_after().expect("a time")).await;
        }
    })
    .await;
}

/// How many of `tries` pass.
async fn passing(bucket: &SharedBucket, key: &str, tries: u32) -> u32 {
    let mut passed = 0;
    for _ in 0..tries {
        passed += u32::from(bucket.try_acquire(key, 1).await.is_ok());
    }
    passed
}
