//! What stands around the routes of a plane: once as layers, and once as what is asked of a request that needs none of those.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    http::{Request, Response},
    middleware,
};
use futures_util::FutureExt;
use http_body_util::Either;
use plugin_transports::auth::{Verifier, VerifyLayer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    trace::{DefaultMakeSpan, DefaultOnFailure, TraceLayer},
};
use tracing::{Level, level_filters::LevelFilter};

use super::{
    access_log::{self, Writes},
    data::AnswerBody,
    guard::{self, Guard},
    problem::has_panicked,
};

/// Whatever is added here is added to [`layers`](Self::layers), and to [`lets_straight`](Self::lets_straight) and
/// [`straight`](Self::straight).
pub(super) struct Around {
    pub(super) guard: Arc<Guard>,
    /// Who may send requests, where that is asked.
    pub(super) verifier: Option<Verifier>,
    /// Where lines are written for requests.
    pub(super) writes: Option<Writes>,
}

impl Around {
    /// The routes with all of it: the log stands outermost, outside of all that may refuse a request.
    pub(super) fn layers(&self, routes: Router) -> Router {
        let routes = match &self.verifier {
            Some(verifier) => routes.layer(VerifyLayer::new(verifier.clone())),
            None => routes,
        };
        let routes = routes
            .layer(middleware::from_fn_with_state(Arc::clone(&self.guard), guard::check))
            .layer(
                TraceLayer::new_for_http()
                    .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
                    // A 5xx answer is counted by its plugin; one line for each would bury the log when a plugin is down.
                    .on_failure(DefaultOnFailure::new().level(Level::DEBUG)),
            )
            .layer(CatchPanicLayer::custom(has_panicked));
        match &self.writes {
            Some(writes) => routes.layer(middleware::from_fn_with_state(writes.clone(), access_log::write)),
            None => routes,
        }
    }

    /// Whether the layers would pass this request on and say nothing of it. It then says who has sent it, where that is asked.
    pub(super) fn lets_straight<B>(&self, request: &mut Request<B>) -> bool {
        if is_traced() || !self.guard.allows(request) {
            return false;
        }
        let Some(verifier) = &self.verifier else { return true };
        let Some(identity) = verifier.verify(request.headers()) else { return false };
        request.extensions_mut().insert(identity);
        true
    }

    /// What the layers do of a request that is [let straight](Self::lets_straight).
    pub(super) async fn straight<B, F>(
        &self,
        mut request: Request<B>,
        call: impl FnOnce(Request<B>) -> F,
    ) -> Response<AnswerBody>
    where
        F: Future<Output = Response<AnswerBody>>,
    {
        let line = self.writes.as_ref().map(|writes| writes.begin(&mut request));
        let answer = async {
            let response = call(request).await;
            self.guard.see(&response);
            response
        };
        let response = AssertUnwindSafe(answer).catch_unwind().await;
        let response = response.unwrap_or_else(|panic| has_panicked(panic).map(Either::Right));
        if let Some(line) = line {
            line.answered(&response);
        }
        response
    }
}

/// Whether anybody reads what the trace layer tells of each request.
fn is_traced() -> bool {
    // The first is a load; the others ask whoever subscribes, once for each of these places.
    LevelFilter::current() >= LevelFilter::DEBUG
        && (tracing::span_enabled!(target: "tower_http::trace::make_span", Level::DEBUG)
            || tracing::event_enabled!(target: "tower_http::trace::on_request", Level::DEBUG)
            || tracing::event_enabled!(target: "tower_http::trace::on_response", Level::DEBUG)
            || tracing::event_enabled!(target: "tower_http::trace::on_failure", Level::DEBUG))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{filter::Targets, layer::SubscriberExt, registry};

    use super::*;

    #[test]
    fn a_request_takes_the_layers_where_somebody_reads_what_those_tell_of_it_and_only_there() {
        let is_traced_for = |target: &str, level: LevelFilter| {
            let reader = registry().with(Targets::new().with_target(target, level));
            tracing::subscriber::with_default(reader, is_traced)
        };
        assert!(is_traced_for("tower_http", LevelFilter::DEBUG));
        assert!(is_traced_for("tower_http::trace::on_response", LevelFilter::TRACE));
        assert!(!is_traced_for("tower_http", LevelFilter::INFO));
        assert!(!is_traced_for("plugin_manager", LevelFilter::TRACE));
    }
}
