//! The way of a request through the data plane. A call of a plugin, as nearly all requests are, goes straight to it; whatever is to be
//! refused, and whatever else there is, through the routes with their layers.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    body::HttpBody,
    http::{Method, Request, Response, request::Parts},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Either;
use plugin_core::BoxError;
use plugin_transports::auth::{Identity, Verifier};
use tower::{Service, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{
    access_log::Writes,
    data::{self, AnswerBody, Asked, DataPlane},
    guard::Guard,
    problem::has_panicked,
    request_target,
};

/// The data plane.
pub(super) struct DataRoutes {
    pub(super) plane: Arc<DataPlane>,
    pub(super) guard: Arc<Guard>,
    pub(super) verifier: Option<Verifier>,
    /// Where lines are written for requests.
    pub(super) writes: Option<Writes>,
    /// All of it, with what is above in its layers.
    pub(super) routes: Router,
}

/// A request that may go straight to its plugin.
struct Straight {
    /// Who has sent it, where that is asked.
    identity: Option<Identity>,
}

impl DataRoutes {
    /// It as a service; clones share it.
    pub(super) fn into_service<B>(
        self,
    ) -> impl Service<Request<B>, Response = Response<AnswerBody>, Error = Infallible, Future: Send> + Clone + Send + 'static
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let routes = Arc::new(self);
        service_fn(move |request| {
            let routes = Arc::clone(&routes);
            // Made for each request: a connection would keep the room of the whole call for as long as it is open.
            Box::pin(async move { Ok(routes.answer(request).await) })
        })
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        match self.is_straight(&request) {
            Some(straight) => self.straight(straight, request).await,
            None => {
                // In a box of its own: it is rare, and long.
                let Ok(response) = Box::pin(self.routes.clone().oneshot(request)).await;
                response.map(Either::Right)
            }
        }
    }

    /// Whether none of the layers has anything to say of a request, and who has sent it.
    fn is_straight<B>(&self, request: &Request<B>) -> Option<Straight> {
        // The layers tell of each request at that level.
        let is_told = LevelFilter::current() >= LevelFilter::DEBUG;
        let is_call = request.method() == Method::POST && request_target::plain_name(request.uri().path()).is_some();
        if is_told || !is_call || !self.guard.allows(request) {
            return None;
        }
        let identity = match &self.verifier {
            Some(verifier) => Some(verifier.verify(request.headers())?),
            None => None,
        };
        Some(Straight { identity })
    }

    async fn straight<B>(&self, Straight { identity }: Straight, mut request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let line = self.writes.as_ref().map(|writes| writes.begin(&mut request));
        if let Some(identity) = identity {
            request.extensions_mut().insert(identity);
        }
        let (Parts { uri, headers, extensions, .. }, body) = request.into_parts();
        let asked = Asked { uri: &uri, headers, extensions: &extensions };
        let answer = async {
            // It has one: see `is_straight`.
            let name = request_target::plain_name(uri.path()).unwrap_or_default();
            let response = data::call(&self.plane, Ok(name), asked, body).await;
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
