//! The health check of a plugin behind connections, whatever it is asked.

use std::{future::Future, time::Duration};

use plugin_core::{
    HealthState, HealthStatus, PluginError,
    clock::{self, Instant},
};

use super::pool::Pool;

/// Asks, for as long as `limit`. The question has a connection of its own, so that a plugin that is busy is not taken for one
/// that is down; nor is one that takes a connection at a time and has those of `calls`: whoever makes checks gives each of them
/// `check_limit`.
pub(crate) async fn check(
    limit: Duration,
    check_limit: Duration,
    calls: &Pool,
    ask: impl Future<Output = Result<HealthStatus, PluginError>>,
) -> HealthStatus {
    let started = clock::now();
    let result = tokio::select! {
        biased;
        result = tokio::time::timeout(limit, ask) => result,
        () = busy(calls, started, check_limit) => {
            return HealthStatus::not_checked("the plugin answers calls, and not the check beside them");
        }
    };
    let reported = result.ok().map(|answer| match answer {
        Ok(status) => status,
        Err(error) => HealthStatus::new(HealthState::Unhealthy, error.message()),
    });
    HealthStatus::within(limit, reported, started.elapsed()).with_last_check(clock::wall())
}

/// Resolves when most of a check's time is over and calls were answered since it began.
async fn busy(calls: &Pool, began: Instant, limit: Duration) {
    tokio::time::sleep(limit / 4 * 3).await;
    while !calls.has_answered_since(began) {
        tokio::time::sleep(limit / 32).await;
    }
}
