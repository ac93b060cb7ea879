//! The outermost middleware of both planes: checks host and origin, counts requests, adds the request id to refusals.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::Response,
    middleware::Next,
};
use plugin_transports::listen::HostGuard;

use super::{
    context,
    problem::{self, About},
    rejections::Rejections,
};

/// What probes and scrapers ask, which need not know a name.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whom a plane serves, and what it counts.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    hosts: HostGuard,
    /// Counts what never became a call of a plugin, where plugins are called; the other plane has none.
    rejected: Option<Rejections>,
}

impl Guard {
    pub(super) fn new(listen: SocketAddr, names: Vec<String>, rejected: Option<Rejections>) -> Arc<Self> {
        Arc::new(Self { hosts: HostGuard::new(listen.ip()).with_names(names), rejected })
    }
}

impl Guard {
    /// Whether a request that is no probe is let through.
    pub(super) fn allows<B>(&self, request: &axum::http::Request<B>) -> bool {
        self.hosts.check(request).is_ok()
    }

    /// Counts an answer, where that is done.
    pub(super) fn see<B>(&self, response: &Response<B>) {
        if let Some(rejected) = &self.rejected {
            rejected.see(response);
        }
    }
}

/// Lets through what comes from no page, or from a page of the listener's own. Probes are let through as they are.
///
/// It also stands outside of all that refuses a request before a call is made of it, so it counts what they refuse, and gives
/// what they say the id of the request.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let is_probe = request.method().is_safe() && PROBES.contains(&request.uri().path());
    let said = request.headers().get("x-request-id").cloned();
    let allowed = if is_probe { Ok(()) } else { guard.hosts.check(&request) };
    let response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => problem::respond(error),
    };
    guard.see(&response);
    if !problem::lacks_id(&response) {
        return response;
    }
    let about = if guard.rejected.is_some() { About::Call } else { About::Command };
    problem::completed(response, context::request_id(said.as_ref()), about).await
}
