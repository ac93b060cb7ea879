//! The layer that makes bodies repeatable.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::ReplayBody;

/// Wraps the body of every request in a [`ReplayBody`], so that a retry layer inside can send it again.
///
/// For services that take any body, such as a hyper client. It costs nothing by itself.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use plugin_retry::{ReplayBody, ReplayBodyLayer, RetryConfig, RetryLayer, plugin_core::ByHttpStatus};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let retry = RetryLayer::new(RetryConfig::builder().with_max_retries(2).build()?).classify(ByHttpStatus::new());
/// let handle = retry.handle();
/// let client = ServiceBuilder::new()
///     .layer(ReplayBodyLayer)
///     .layer(retry)
///     .service(service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
///         Response::builder().status(503).body(()).map_err(BoxError::from)
///     }));
///
/// let request = Request::put("/articles/7").body(Full::from("a body that is sent three times"))?;
/// assert_eq!(client.oneshot(request).await?.status(), 503);
/// assert_eq!(handle.stats().retries, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ReplayBodyLayer;

impl<S> Layer<S> for ReplayBodyLayer {
    type Service = Replaying<S>;

    fn layer(&self, inner: S) -> Replaying<S> {
        Replaying { inner }
    }
}

/// The service that [`ReplayBodyLayer`] makes.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use plugin_retry::{ReplayBody, ReplayBodyLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // The service beneath has to take the body in its wrapper; a hyper client takes any.
/// let client = ReplayBodyLayer.layer(service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
///     Ok::<_, BoxError>(Response::new(request.into_body()))
/// }));
/// assert!(client.oneshot(Request::new(Full::from("hello"))).await?.status().is_success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Replaying<S> {
    inner: S,
}

impl<S> Replaying<S> {
    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for Replaying<S>
where
    S: Service<Request<ReplayBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request.map(ReplayBody::new))
    }
}
