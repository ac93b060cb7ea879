//! A health check beside calls.

use std::{future::Future, time::Duration};

use plugin_core::{
    HealthState, HealthStatus, PluginError,
    clock::{self, Instant},
};

use crate::wire::bounded;

/// Asks, which may take `limit`. It has a connection of its own, so that a plugin that is busy is not taken for one that is
/// down; nor is one that takes a connection at a time and has those of the calls: where most of the time that whoever checks
/// has is over, `check_limit`, and calls `were_answered` since it began, it was no check.
///
/// What the plugin says is told as `hidden` gives it, without the secrets that it was sent, and no more of it than is kept of an
/// error.
pub(crate) async fn check(
    hidden: impl Fn(&str) -> Option<String>,
    limit: Duration,
    check_limit: Duration,
    were_answered: impl Fn(Instant) -> bool,
    ask: impl Future<Output = Result<HealthStatus, PluginError>>,
) -> HealthStatus {
    let started = clock::now();
    let busy = async {
        tokio::time::sleep(check_limit / 4 * 3).await;
        while !were_answered(started) {
            tokio::time::sleep(check_limit / 32).await;
        }
    };
    let result = tokio::select! {
        biased;
        result = tokio::time::timeout(limit, ask) => result,
        () = busy => {
            return HealthStatus::not_checked("the plugin answers calls, and not the check beside them");
        }
    };
    let reported = result.ok().map(|answer| {
        let mut status = answer.unwrap_or_else(|error| HealthStatus::new(HealthState::Unhealthy, error.message()));
        let texts = status.metadata.values_mut().chain([&mut status.message]);
        for text in texts {
            if let Some(without) = hidden(text) {
                *text = without;
            }
            // It is logged at each change, and shown by others.
            *text = bounded::text(std::mem::take(text));
        }
        status
    });
    HealthStatus::within(limit, reported, started.elapsed()).with_last_check(clock::wall())
}
