//! The layer that refuses requests without good credentials.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use plugin_core::{
    Code, Rejected, polled_after_end, readiness,
    service::{Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::Verifier;

/// Refuses requests without good credentials: 401, with a `WWW-Authenticate` for each accepted scheme and a body of
/// `application/problem+json` whose code is `AUTH_1106`. Requests with good ones carry an [`Identity`](super::Identity)
/// in their extensions. The extensions of a refusal hold the [`Rejected`], so that layers further out know it from the
/// service's own answer.
///
/// It decides in `call`, before the body is read. It goes onto an `axum::Router`, and onto any service whose body can be
/// made out of [`Bytes`].
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use plugin_transports::auth::{Identity, Verifier, VerifyLayer};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(VerifyLayer::new(Verifier::new().with_bearer("billing", "s3cret")))
///     .service(service_fn(|request: Request<()>| async move {
///         let who = request.extensions().get::<Identity>().map_or("nobody", Identity::name).to_owned();
///         Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(who)))
///     }));
///
/// let known = Request::get("/").header("authorization", "Bearer s3cret").body(())?;
/// assert_eq!(service.clone().oneshot(known).await?.status(), StatusCode::OK);
/// let unknown = Request::get("/").body(())?;
/// assert_eq!(service.oneshot(unknown).await?.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct VerifyLayer {
    verifier: Arc<Verifier>,
}

impl VerifyLayer {
    /// A layer that asks this verifier.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier: Arc::new(verifier) }
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = Verify<S>;

    fn layer(&self, inner: S) -> Verify<S> {
        Verify::new(self.clone(), inner)
    }
}

/// The service that [`VerifyLayer`] makes.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use plugin_transports::auth::{Verifier, VerifyLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = VerifyLayer::new(Verifier::new().with_api_key("billing", "a long secret"));
/// let service = layer.layer(service_fn(|_: Request<()>| async {
///     Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("hello")))
/// }));
///
/// let refused = service.oneshot(Request::get("/").body(())?).await?;
/// assert!(refused.headers().contains_key("www-authenticate"));
/// let body = refused.into_body().collect().await?.to_bytes();
/// assert!(std::str::from_utf8(&body)?.contains("AUTH_1106"));
/// # Ok(())
/// # }
/// ```
pub type Verify<S> = Wrapped<VerifyLayer, S>;

impl<S, B, R> Wrap<S, Request<B>> for VerifyLayer
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Future = VerifyFuture<S::Future, R>;

    fn call(&self, inner: &mut S, mut request: Request<B>) -> Self::Future {
        let state = match self.verifier.verify(request.headers()) {
            Some(identity) => {
                request.extensions_mut().insert(identity);
                VerifyState::Accepted { future: inner.call(request) }
            }
            None => {
                readiness::unused();
                VerifyState::Refused { response: Some(refuse(&self.verifier)) }
            }
        };
        VerifyFuture { state }
    }
}

fn refuse<R: From<Bytes>>(verifier: &Verifier) -> Response<R> {
    let body = format!(
        r#"{{"type":"about:blank","title":"Unauthorized","status":401,"detail":"credentials are missing or wrong","code":"{}","retryable":false,"sent":"no"}}"#,
        Code::Unauthenticated
    );
    let mut response = Response::new(R::from(Bytes::from(body)));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    for challenge in verifier.challenges() {
        headers.append(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(Rejected::new(Code::Unauthenticated));
    response
}

pin_project! {
    /// The future of [`Verify`].
    #[must_use = "a future does nothing until it is polled"]
    pub struct VerifyFuture<F, R> {
        #[pin]
        state: VerifyState<F, R>,
    }
}

pin_project! {
    #[project = StateProject]
    enum VerifyState<F, R> {
        Accepted { #[pin] future: F },
        Refused { response: Option<Response<R>> },
    }
}

impl<F, R, E> Future for VerifyFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::Accepted { future } => future.poll(cx),
            StateProject::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => polled_after_end("plugin_transports::auth::VerifyFuture"),
            },
        }
    }
}

impl<F, R> fmt::Debug for VerifyFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::auth::Identity;

    async fn answer(verifier: Verifier, key: Option<&str>) -> Response<Bytes> {
        let inner = service_fn(|request: Request<()>| async move {
            let name = request.extensions().get::<Identity>().map(|identity| identity.name().to_owned());
            Ok::<_, Infallible>(Response::new(Bytes::from(name.expect("an identity"))))
        });
        let mut request = Request::new(());
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.parse().expect("a value"));
        }
        let Ok(response) = VerifyLayer::new(verifier).layer(inner).oneshot(request).await;
        response
    }

    #[tokio::test]
    async fn the_inner_service_learns_who_calls_and_never_sees_a_stranger() {
        let verifier = Verifier::new().with_api_key("ci", "k").with_basic("ann", "a", "b");
        assert_eq!(answer(verifier.clone(), Some("k")).await.body(), "ci");
        for key in [None, Some("wrong")] {
            let response = answer(verifier.clone(), key).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            let challenges: Vec<_> = response.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
            assert_eq!(challenges.len(), 2, "{challenges:?}");
            let body: &[u8] = response.body();
            assert!(body.windows(9).any(|part| part == b"AUTH_1106"));
        }
    }
}
