//! The admin plane: probes, metrics, and `/admin/v1`.

mod access;
mod certificate;
mod denials;
mod detail;
mod limits;
mod moment;
mod views;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Response, StatusCode, Uri, header},
    middleware::{self, Next},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use plugin_core::{Code, PluginError, clock, go_duration};
use plugin_transports::process::ProcessHandle;

pub use access::{Access, Role};

use super::{
    certificates::Certificates,
    lifecycle::Lifecycle,
    metrics::Metrics,
    problem::{self, Fault},
    request_target::{self, PluginName},
};
use crate::{
    manager::{Manager, PluginView, ServingState},
    server::ClientLimit,
};

/// How long a health request may ask plugins that nobody checks regularly.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// What the admin plane knows.
#[derive(Clone)]
pub(super) struct AdminPlane {
    pub(super) manager: Manager<Bytes, Bytes>,
    pub(super) metrics: Metrics,
    pub(super) started: clock::Instant,
    pub(super) drain_timeout: Duration,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) certificates: Certificates,
    pub(super) client_limit: Option<ClientLimit>,
}

impl AdminPlane {
    fn is_leaving(&self) -> bool {
        self.lifecycle.is_leaving() || self.manager.is_shutting_down()
    }
}

/// The routes of the admin plane. Probes and metrics never need a token; the rest does when access is limited. Nor do they mind a
/// parameter that they do not know: who looks believes in no effect of it, and a gateway that works must not be taken for one
/// that does not because of `?verbose`.
pub(super) fn routes(plane: AdminPlane, access: Option<Access>) -> Router {
    let access_is_limited = access.is_some();
    let admin = Router::new()
        .route("/admin/v1/status", get(status))
        .route("/admin/v1/plugins", get(plugins))
        .route("/admin/v1/plugins/{name}", get(plugin))
        .route("/admin/v1/health", get(health))
        .route("/admin/v1/plugins/{name}/drain", post(drain))
        .route("/admin/v1/plugins/{name}/restart", post(restart))
        .route("/admin/v1/plugins/{name}/enable", post(enable))
        .route("/admin/v1/plugins/{name}/disable", post(disable))
        .route_layer(middleware::from_fn(check_query))
        .route_layer(middleware::from_fn_with_state(access::AdminDoor::new(access), access::check));
    let open = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/health", if access_is_limited { get(health_without_texts) } else { get(health) })
        .route("/metrics", get(metrics));
    open.merge(admin).method_not_allowed_fallback(other_method).fallback(no_such_path).with_state(plane)
}

async fn no_such_path(uri: Uri) -> Fault {
    let problem = if uri.path().starts_with("/v1/") {
        "this is the admin plane; plugins are called at the data plane, 127.0.0.1:8080 by default"
    } else {
        "this is the admin plane; it answers GET /metrics, /healthz, /readyz, /health, /admin/v1/status, /admin/v1/health, \
         /admin/v1/plugins and /admin/v1/plugins/NAME, and POST /admin/v1/plugins/NAME/drain, .../enable, .../disable and \
         .../restart"
    };
    Fault::of(StatusCode::NOT_FOUND, Code::InvalidPayload, problem)
}

async fn other_method() -> Fault {
    let problem = "this path is not asked with this method; the header `Allow` has those that it takes";
    Fault::of(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidPayload, problem)
}

/// What a drain may be told. Nothing else is told anything.
const DRAIN: [&str; 1] = ["timeout"];

async fn check_query(request: Request, next: Next) -> Response<Body> {
    let known: &[&str] = if request.uri().path().ends_with("/drain") { &DRAIN } else { &[] };
    match request_target::query(request.uri(), known) {
        Ok(_) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

/// Ready once the start of every configured plugin has ended, and no longer when the gateway is shutting down. Not ready while a
/// plugin has failed: it would answer nothing but refusals. One that has never been ready does not count: another gateway of
/// this configuration would not have it either, and this one was not to wait for it.
async fn readyz(State(plane): State<AdminPlane>) -> Response<Body> {
    let not_ready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if plane.is_leaving() {
        return not_ready("shutting down\n".to_owned());
    }
    // Before the look at the plugins, which are there when it is ready.
    let ready = plane.lifecycle.is_ready();
    let plugins = plane.manager.list();
    let named = |which: &dyn Fn(&PluginView) -> bool| {
        let names: Vec<_> = plugins.iter().filter(|plugin| which(plugin)).map(|plugin| plugin.name.as_str()).collect();
        names.join(", ")
    };
    let starting = named(&|plugin| plugin.state == ServingState::Starting);
    let waiting = named(&|plugin| plugin.state == ServingState::Waiting);
    let failed = named(&|plugin| {
        let process = plugin.controls.process.as_ref();
        plugin.state == ServingState::Failed && process.is_some_and(ProcessHandle::has_been_ready)
    });
    let starting = match waiting.as_str() {
        "" => starting,
        waiting => format!("{starting}; waiting for their turn: {waiting}"),
    };
    match (ready, starting.as_str(), failed.as_str()) {
        (true, "", "") => "ready\n".into_response(),
        (true, "", failed) => not_ready(format!("failed: {failed}\n")),
        (false, "", _) => not_ready("starting\n".to_owned()),
        (_, starting, _) => not_ready(format!("starting: {starting}\n")),
    }
}

async fn metrics(State(plane): State<AdminPlane>) -> Response<Body> {
    plane.certificates.record(&plane.metrics.recorder());
    let mut response = Response::new(Body::from(plane.metrics.scrape(&plane.manager.list())));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

async fn health(State(plane): State<AdminPlane>) -> Response<Body> {
    health_as(&plane, |health| health).await
}

/// For whoever asks without a token where there are tokens: a text may say where a plugin is, and what it was told.
async fn health_without_texts(State(plane): State<AdminPlane>) -> Response<Body> {
    health_as(&plane, views::Health::without_texts).await
}

async fn health_as(plane: &AdminPlane, shown: impl FnOnce(views::Health) -> views::Health) -> Response<Body> {
    let health = plane.manager.health(HEALTH_LIMIT).await;
    let status = if health.state.is_serving() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(shown(views::Health::of(&health, &plane.manager.list())))).into_response()
}

async fn status(State(plane): State<AdminPlane>) -> Json<views::Status> {
    let certificates = plane.certificates.all().into_iter().map(certificate::OwnedCertificate::of).collect();
    let (plugins, uptime) = (plane.manager.list(), plane.started.elapsed());
    Json(views::Status::of(&plugins, uptime, plane.is_leaving(), certificates, plane.client_limit.as_ref()))
}

async fn plugins(State(plane): State<AdminPlane>) -> Json<Vec<views::Plugin>> {
    Json(plane.manager.list().iter().map(views::Plugin::of).collect())
}

async fn plugin(State(plane): State<AdminPlane>, PluginName(name): PluginName) -> Response<Body> {
    match plane.manager.get(&name) {
        Some(view) => Json(detail::Detail::of(&view)).into_response(),
        None => problem::respond(PluginError::not_found(&name)),
    }
}

async fn drain(State(plane): State<AdminPlane>, PluginName(name): PluginName, uri: Uri) -> Response<Body> {
    let query = match request_target::query(&uri, &DRAIN) {
        Ok(query) => query,
        Err(fault) => return fault.into_response(),
    };
    let limit = match query.get("timeout").map(|text| go_duration::parse(text)) {
        None => plane.drain_timeout,
        Some(Ok(limit)) => limit,
        Some(Err(problem)) => {
            let text = format!("the parameter timeout is no duration: {problem}");
            return Fault::of(StatusCode::BAD_REQUEST, Code::InvalidPayload, text).into_response();
        }
    };
    // A task of its own: a client that hangs up must not leave the plugin half drained.
    let drain = tokio::spawn(async move { plane.manager.drain(&name, limit).await });
    match drain.await {
        Ok(Ok(report)) => {
            let (plugin, unfinished, cut, undone) = (&*report.name, report.unfinished, report.cut, report.undone);
            if unfinished > 0 {
                tracing::warn!(plugin, unfinished, cut, undone, "the drain has run out of its time");
            } else if cut > 0 {
                tracing::warn!(plugin, unfinished, cut, undone, "drained, and a restart has cut off calls meanwhile");
            } else {
                tracing::info!(plugin, unfinished, cut, undone, "drained");
            }
            let outcome = if report.is_clean() { access::DONE } else { access::PARTLY };
            (Extension(outcome), Json(views::DrainQuery::of(&report))).into_response()
        }
        Ok(Err(error)) => refused(error),
        Err(_) => {
            let problem = "the gateway failed in this drain; the log has the details";
            problem::respond(PluginError::new(Code::ExecutionFailed, problem))
        }
    }
}

async fn restart(State(plane): State<AdminPlane>, PluginName(name): PluginName) -> Response<Body> {
    let cut_calls = || plane.manager.get(&name)?.controls.process.map(|process| process.stats().cut_calls);
    let before = cut_calls().unwrap_or_default();
    if let Err(error) = plane.manager.restart(&name).await {
        return refused(error);
    }
    let cut = cut_calls().unwrap_or_default().saturating_sub(before);
    let Some(view) = plane.manager.get(&name) else { return problem::respond(PluginError::not_found(&name)) };
    let outcome = if cut == 0 { access::DONE } else { access::PARTLY };
    (Extension(outcome), Json(views::Restarted::of(&view, cut))).into_response()
}

async fn enable(State(plane): State<AdminPlane>, PluginName(name): PluginName) -> Response<Body> {
    let switched = match plane.manager.enable(&name) {
        Ok(()) => plane.manager.started(&name).await,
        Err(error) => Err(error),
    };
    switched.map_or_else(refused, |()| shown(&plane, &name))
}

async fn disable(State(plane): State<AdminPlane>, PluginName(name): PluginName) -> Response<Body> {
    plane.manager.disable(&name).map_or_else(refused, |()| shown(&plane, &name))
}

/// A change that was not made. One that does not fit how the plugin is configured, such as a restart of what has no process, is
/// neither this moment's nor the gateway's fault: another attempt would end in the same way.
fn refused(error: PluginError) -> Response<Body> {
    match error.code() {
        Code::NotEnabled | Code::UnsupportedTransport => {
            Fault::from(error).with_status(StatusCode::CONFLICT).into_response()
        }
        _ => problem::respond(error),
    }
}

fn shown(plane: &AdminPlane, name: &str) -> Response<Body> {
    match plane.manager.get(name) {
        Some(view) => Json(views::Plugin::of(&view)).into_response(),
        None => problem::respond(PluginError::not_found(name)),
    }
}
