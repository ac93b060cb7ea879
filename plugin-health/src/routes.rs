//! Routes of an axum server that tell how a program is.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use plugin_core::{HealthState, clock, go_duration};
use serde::Serialize;

use crate::{
    HealthMonitor,
    monitor::{Seen, View},
    ready::is_ready,
    texts::bounded,
};

/// So many checks are told.
const MOST_CHECKS: usize = 1_000;

/// The routes `/healthz`, `/readyz` and `/health` of a monitor, for an axum server.
///
/// | path | answers |
/// |---|---|
/// | `/healthz` | 200 while the process answers at all: what restarts a program is to ask this, and nothing it depends on |
/// | `/readyz` | 200 when none of the checks is Offline or Unknown, else 503, with their names; Unhealthy, below its failure limit, takes nobody out |
/// | `/health` | JSON of all; 200 when [all together](HealthMonitor::overall) are Healthy or Degraded, else 503 |
///
/// After a [shutdown](HealthMonitor::shutdown) the last two answer 503, and `/readyz` says `shut down`.
///
/// They answer GET and HEAD, and none may be kept by a cache. No check is made for them: they tell what is known, so that who asks
/// often costs nothing. `/health` tells no text unless [`with_texts`](Self::with_texts): a message may say where a database is, and
/// who reaches a port may not be to know. It tells no more than 1,000 checks, and 500 bytes of a text.
///
/// ```
/// use axum::{Router, body::Body, http::Request};
/// use plugin_health::{HealthMonitor, HealthRoutes, plugin_core::HealthStatus};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = HealthMonitor::new();
/// let app: Router = Router::new().merge(HealthRoutes::new(&monitor).router());
/// monitor.update("database", HealthStatus::healthy())?;
/// let answer = app.oneshot(Request::get("/readyz").body(Body::empty())?).await?;
/// assert_eq!(answer.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `router`"]
pub struct HealthRoutes {
    monitor: HealthMonitor,
    /// `None`: all.
    ready_by: Option<Arc<[String]>>,
    texts: bool,
}

impl HealthRoutes {
    /// Tells of this monitor, which the routes keep going.
    pub fn new(monitor: &HealthMonitor) -> Self {
        Self { monitor: monitor.clone(), ready_by: None, texts: false }
    }

    /// Names the checks that `/readyz` goes by. One that is not there is not ready. Default: all that are there.
    ///
    /// What every instance of a program depends on is better left out: it would take all of them out at once.
    pub fn ready_by(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ready_by = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Tells messages and metadata too, at `/health`: for a port that only its operators reach.
    pub fn with_texts(mut self, texts: bool) -> Self {
        self.texts = texts;
        self
    }

    /// The routes, to be merged into those of a program.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let health = self.clone();
        Router::new()
            .route("/healthz", get(|| async { answer(StatusCode::OK, TEXT, "ok\n") }))
            .route("/readyz", get(move || async move { self.readyz() }))
            .route("/health", get(move || async move { health.health() }))
    }

    fn readyz(&self) -> Response {
        let View { checks, is_shut_down } = self.monitor.view();
        if is_shut_down {
            return answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "shut down\n");
        }
        let state = |name: &String| checks.get(name).map_or(HealthState::Unknown, |seen| seen.status.state);
        let states: Vec<(&String, HealthState)> = match &self.ready_by {
            Some(names) => names.iter().map(|name| (name, state(name))).collect(),
            None => checks.iter().map(|(name, seen)| (name, seen.status.state)).collect(),
        };
        let missing = states.iter().filter(|(_, state)| !is_ready(*state));
        let missing: Vec<String> = missing.map(|(name, state)| format!("{state}: {name}")).take(MOST_CHECKS).collect();
        if missing.is_empty() {
            return answer(StatusCode::OK, TEXT, "ready\n");
        }
        answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{}\n", missing.join("\n")))
    }

    fn health(&self) -> Response {
        let view = self.monitor.view();
        let overall = view.overall();
        let code = if overall.state.is_serving() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let left_out = view.checks.len().saturating_sub(MOST_CHECKS);
        let shown = view.checks.into_iter().take(MOST_CHECKS);
        let shown = shown.map(|(name, seen)| (name, CheckJson::of(seen, self.texts)));
        let health = HealthJson {
            status: overall.state.as_str(),
            message: bounded(&overall.message).to_owned(),
            left_out,
            checks: shown.collect(),
        };
        // A map of texts and numbers can always be written.
        answer(code, "application/json", serde_json::to_vec(&health).unwrap_or_default())
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(code: StatusCode, kind: &'static str, body: impl IntoResponse) -> Response {
    (code, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// The names are those of the gateway's admin plane, which has `plugins` where this has `checks`.
#[derive(Serialize)]
struct HealthJson {
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    checks: BTreeMap<String, CheckJson>,
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
}

#[derive(Serialize)]
struct CheckJson {
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check_ms: Option<u64>,
    response_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl CheckJson {
    fn of(Seen { status, since }: Seen, texts: bool) -> Self {
        let metadata = if texts { status.metadata } else { BTreeMap::new() };
        let since = clock::wall().checked_sub(since.elapsed());
        Self {
            status: status.state.as_str(),
            message: if texts { bounded(&status.message).to_owned() } else { String::new() },
            last_check_ms: status.last_check.and_then(epoch_ms),
            response_time: go_duration::format(status.response_time),
            since_ms: since.and_then(epoch_ms),
            metadata: metadata
                .iter()
                .take(64)
                .map(|(key, value)| (bounded(key).to_owned(), bounded(value).to_owned()))
                .collect(),
        }
    }
}

fn epoch_ms(at: SystemTime) -> Option<u64> {
    at.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
