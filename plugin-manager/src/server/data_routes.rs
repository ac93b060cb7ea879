//! The way of a request through the data plane. A call of a plugin, as nearly all requests are, goes straight to it; whatever is to be
//! refused, and whatever else there is, through the routes with their layers.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::HttpBody,
    http::{Method, Request, Response, request::Parts},
};
use bytes::Bytes;
use http_body_util::Either;
use plugin_core::BoxError;
use tower::{Service, ServiceExt, service_fn};

use super::{
    around::Around,
    data::{self, AnswerBody, Asked, DataPlane},
    request_target,
};

/// The data plane.
pub(super) struct DataRoutes {
    plane: Arc<DataPlane>,
    around: Around,
    /// All of it, with what is around it as layers.
    routes: Router,
}

impl DataRoutes {
    pub(super) fn new(plane: Arc<DataPlane>, around: Around) -> Self {
        let routes = around.layers(data::routes(Arc::clone(&plane)));
        Self { plane, around, routes }
    }

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

    async fn answer<B>(&self, mut request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        if self.is_straight(&mut request) {
            return self.around.straight(request, |request| self.call(request)).await;
        }
        // In a box of its own: it is rare, and long.
        let Ok(response) = Box::pin(self.routes.clone().oneshot(request)).await;
        response.map(Either::Right)
    }

    fn is_straight<B>(&self, request: &mut Request<B>) -> bool {
        let is_call = request.method() == Method::POST && request_target::plain_name(request.uri().path()).is_some();
        is_call && self.around.lets_straight(request)
    }

    /// Calls the plugin that the path names.
    async fn call<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (Parts { uri, headers, extensions, .. }, body) = request.into_parts();
        let asked = Asked { uri: &uri, headers, extensions: &extensions };
        // It has one: see `is_straight`.
        let name = request_target::plain_name(uri.path()).unwrap_or_default();
        data::call(&self.plane, Ok(name), asked, body).await
    }
}
