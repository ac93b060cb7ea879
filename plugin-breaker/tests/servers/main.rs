//! The breaker on real servers and clients, each on a port of its own. The clock is real; nothing here depends on how
//! long anything takes.
#![cfg(all(feature = "http", feature = "grpc"))]

#[path = "../../../plugin-core/tests/servers/download.rs"]
#[allow(dead_code, reason = "what the breaker's tests do not ask of it, others do")]
mod download;
mod downloads;
#[path = "../../../plugin-core/tests/servers/grpc.rs"]
#[allow(dead_code, reason = "what the breaker's tests do not ask of it, others do")]
mod grpc;
mod grpc_streams;
mod http_stacks;
mod hurry;

use std::{future::Future, time::Duration};

use plugin_breaker::{CircuitBreakerHandle, CircuitBreakerStats};

/// No test may hang: what takes longer than this never ends.
async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it does not hang")
}

/// Waits until so many calls have ended: the other side of a connection may see the end first.
async fn ended(handle: &CircuitBreakerHandle, calls: u64) -> CircuitBreakerStats {
    bounded(async {
        loop {
            let stats = handle.stats();
            if stats.requests() + stats.cancelled >= calls {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}
