//! A layer that boxes errors.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Any error that may cross threads, boxed. The same type as `tower::BoxError`.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Boxes the errors of a service whose error type is foreign, such as a hyper client or a tonic channel.
///
/// Put it beneath the layers of this family: `BoxError` has `From<Rejected>`, so they can refuse with
/// [`AsErrorValue`](crate::AsErrorValue).
///
/// ```
/// use std::{io, time::Duration};
///
/// use plugin_core::{BoxErrorLayer, Call, deadline::DeadlineLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(DeadlineLayer::new(Duration::from_secs(30))) // an `io::Error` could not hold its refusal
///     .layer(BoxErrorLayer)
///     .service(service_fn(|_: Call<()>| async { Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)) }));
///
/// let error = service.oneshot(Call::new(())).await.expect_err("nothing is there");
/// assert!(error.is::<io::Error>());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct BoxErrorLayer;

impl<S> Layer<S> for BoxErrorLayer {
    type Service = BoxErrorService<S>;

    fn layer(&self, inner: S) -> BoxErrorService<S> {
        BoxErrorService { inner }
    }
}

/// The service that [`BoxErrorLayer`] makes.
///
/// ```
/// use plugin_core::{BoxError, BoxErrorLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let parse = service_fn(|text: &'static str| async move { text.parse::<u32>() });
/// let service = BoxErrorLayer.layer(parse);
///
/// assert_eq!(service.clone().oneshot("42").await?, 42);
/// let error: BoxError = service.oneshot("forty-two").await.expect_err("no digits");
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BoxErrorService<S> {
    inner: S,
}

impl<S, Req> Service<Req> for BoxErrorService<S>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxErrorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        BoxErrorFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The future of [`BoxErrorService`].
    #[must_use = "a future does nothing until it is polled"]
    pub struct BoxErrorFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for BoxErrorFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(Into::into)
    }
}

impl<F> fmt::Debug for BoxErrorFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxErrorFuture").finish_non_exhaustive()
    }
}
