//! How the plugin is.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use plugin_core::{HealthState, HealthStatus, PluginError, clock};
use serde::Deserialize;

use super::{
    HttpConfig,
    exchange::{self, Outgoing},
    pool::Pool,
    progress::Progress,
};
use crate::http::body::Parts;

/// A body that says more than its status. Others are not an error.
#[derive(Deserialize)]
struct Said {
    status: String,
    #[serde(default)]
    message: String,
}

/// Asks. It has a connection of its own, so that a plugin that is busy is not taken for one that is down.
pub(super) async fn check(config: &HttpConfig, pool: &std::sync::Arc<Pool>, headers: HeaderMap) -> HealthStatus {
    let started = clock::now();
    let limit = config.connection.request_timeout();
    let result = tokio::time::timeout(limit, ask(config, pool, headers)).await;
    let reported = result.ok().map(|answer| match answer {
        Ok(status) => status,
        Err(error) => HealthStatus::new(HealthState::Unhealthy, error.message()),
    });
    HealthStatus::within(limit, reported, started.elapsed()).with_last_check(clock::wall())
}

/// What an answer comes to that says nothing more. A service that has no such path is taken out like one that is down, so
/// that the way out is told with it.
fn no_word(path: &str, status: StatusCode) -> String {
    let answered = format!("{path} answered {status}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            format!("{answered}; a plugin without a health endpoint needs `health_check: {{enabled: false}}`")
        }
        _ => answered,
    }
}

async fn ask(
    config: &HttpConfig,
    pool: &std::sync::Arc<Pool>,
    headers: HeaderMap,
) -> Result<HealthStatus, PluginError> {
    let progress = Progress::new();
    let outgoing = Outgoing { method: Method::GET, headers, body: Parts::from(Bytes::new()) };
    let answer = exchange::send(pool, &config.health, outgoing, clock::now(), &progress).await?;
    let status = answer.status();
    if !status.is_success() {
        let error = answer.fault(config, &progress).await;
        let said = error.detail().and_then(|body| serde_json::from_str::<Said>(body).ok());
        let message = match said {
            Some(said) if !said.message.is_empty() => said.message,
            _ => no_word(config.health.path.path(), status),
        };
        return Ok(HealthStatus::new(HealthState::Unhealthy, message));
    }
    // The status has decided that the plugin serves; the body can only add that something is wrong with it.
    let said = answer.read(config, &progress).await.ok().map(|(body, lease)| {
        lease.finish();
        body
    });
    let said = said.and_then(|body| serde_json::from_slice::<Said>(&body).ok());
    Ok(match said {
        Some(said) if said.status.eq_ignore_ascii_case("degraded") => {
            HealthStatus::new(HealthState::Degraded, said.message)
        }
        _ => HealthStatus::healthy(),
    })
}
