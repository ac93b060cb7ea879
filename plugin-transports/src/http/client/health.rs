//! The health check of a plugin over HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use plugin_core::{HealthState, HealthStatus, PluginError, clock};
use serde::Deserialize;

use super::{HttpConfig, body, fault};
use crate::{
    net::{
        body::Parts,
        exchange::{self, Outgoing},
        pool::Pool,
        progress::CallProgress,
    },
    wire::{bounded, read_object::read_object},
};

/// A body that says more than its status. Others are not an error.
#[derive(Deserialize)]
pub(super) struct HealthBody {
    pub(super) status: String,
    #[serde(default)]
    pub(super) message: String,
}

impl HealthBody {
    /// `None` where it says nothing of health. The text is bounded: it is logged, and shown by others.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let said: Self = read_object(body)?;
        Some(Self { message: bounded::text(said.message), ..said })
    }
}

/// What is known of a plugin's health endpoint so far.
#[derive(Debug, Default)]
pub(super) struct KnownHealth {
    /// It has said that the plugin is well, so it is there.
    is_there: AtomicBool,
    /// That it is not has been told.
    told: AtomicBool,
}

impl KnownHealth {
    /// What an answer that is no success comes to, where it says no more than its status.
    ///
    /// A server without such a path is no fault of the plugin's, unless somebody said that it is there or it was seen: that it
    /// answers is then all that is asked of it.
    fn judge(&self, config: &HttpConfig, status: StatusCode) -> HealthStatus {
        let path = config.health.path.path();
        let answered = format!("{path} answered {status}");
        let is_absent =
            matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        // Relaxed: two checks that run at once may both tell of it.
        if !is_absent || self.is_there.load(Ordering::Relaxed) {
            return HealthStatus::unhealthy(answered);
        }
        if config.names_health {
            return HealthStatus::unhealthy(format!("{answered}, and is what `health_check.endpoint` names"));
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                plugin = &*config.name,
                path,
                status = status.as_u16(),
                "the plugin has no health endpoint, so checks see no more than that it answers; `health_check.endpoint` names one"
            );
        }
        HealthStatus::new(HealthState::Healthy, format!("the plugin answers, and has no health endpoint: {answered}"))
    }
}

/// Asks.
pub(super) async fn ask(
    config: &HttpConfig,
    pool: &Arc<Pool>,
    headers: HeaderMap,
    known: &KnownHealth,
) -> Result<HealthStatus, PluginError> {
    let progress = CallProgress::new();
    let outgoing = |_| Outgoing { method: Method::GET, headers: headers.clone(), body: Parts::from(Bytes::new()) };
    let mut beside = progress.beside(pool.line());
    let answer = exchange::send(pool, &config.health, outgoing, clock::now(), &progress, &mut beside).await?;
    let status = answer.status();
    if fault::is_grpc(answer.headers()) {
        let error = fault::read(answer, config, &progress).await;
        return Ok(HealthStatus::unhealthy(error.message()));
    }
    if !status.is_success() {
        let error = fault::read(answer, config, &progress).await;
        let said = error.detail().and_then(|body| HealthBody::read(body.as_bytes()));
        let message = match said {
            Some(said) if !said.message.is_empty() => said.message,
            _ => return Ok(known.judge(config, status)),
        };
        return Ok(HealthStatus::new(HealthState::Unhealthy, message));
    }
    known.is_there.store(true, Ordering::Relaxed);
    // The status has decided that the plugin serves; the body can only add that something is wrong with it.
    let said = body::read(answer, config.max_response, &progress).await.ok().map(|(body, lease)| {
        lease.finish();
        body
    });
    let said = said.and_then(|body| HealthBody::read(&body));
    Ok(match said {
        Some(said) if said.status.eq_ignore_ascii_case("degraded") => {
            HealthStatus::new(HealthState::Degraded, said.message)
        }
        _ => HealthStatus::healthy(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bounded::MAX_ERROR;

    #[test]
    fn the_text_of_a_health_body_is_bounded() {
        let body = format!(r#"{{"status":"degraded","message":"{}"}}"#, "x".repeat(1 << 20));
        let said = HealthBody::read(body.as_bytes()).expect("one");
        assert_eq!((said.status.as_str(), said.message.len()), ("degraded", MAX_ERROR));
        assert!(HealthBody::read(br#"["degraded"]"#).is_none() && HealthBody::read(b"{}").is_none());
    }
}
