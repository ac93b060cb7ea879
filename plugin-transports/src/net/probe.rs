//! A health check beside calls.

use std::{future::Future, time::Duration};

use plugin_core::{
    HealthState, HealthStatus, PluginError,
    clock::{self, Instant},
};

use crate::wire::health;

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
        let fault = |error: PluginError| HealthStatus::new(HealthState::Unhealthy, error.message());
        health::told(answer.unwrap_or_else(fault), hidden)
    });
    HealthStatus::within(limit, reported, started.elapsed()).with_last_check(clock::wall())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::{bounded, health::MOST_METADATA};

    #[tokio::test]
    async fn neither_a_key_nor_a_text_of_a_health_has_a_secret_or_no_end() {
        let mut metadata: BTreeMap<_, _> =
            (0..1_000).map(|number| (format!("key {number:04}"), String::new())).collect();
        metadata.insert("a secret".to_owned(), "a secret".to_owned());
        metadata.insert("aa".repeat(1 << 20), "v".repeat(1 << 20));
        let said = HealthStatus::new(HealthState::Degraded, "a secret".repeat(1_000)).with_metadata(metadata);
        let hidden = |text: &str| text.contains("secret").then(|| text.replace("secret", "***"));
        let limit = Duration::from_secs(1);
        let told = check(hidden, limit, limit, |_| false, async { Ok(said) }).await;
        assert_eq!((told.message.len(), told.metadata.len()), (bounded::MAX_ERROR, MOST_METADATA));
        assert_eq!(told.metadata.get("a ***").map(String::as_str), Some("a ***"));
        assert!(!format!("{told:?}").contains("secret"));
        assert!(told.metadata.iter().all(|(key, value)| key.len().max(value.len()) <= bounded::MAX_ERROR));
    }
}
