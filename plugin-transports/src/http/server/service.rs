//! A plugin as a service of HTTP.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use plugin_core::{BoxFuture, Code, HealthStatus, Plugin, clock, polled_after_end};
use tower_service::Service;

use super::{answer, options::Settings, problem::problem, request};
use crate::{listen, net::body::Parts, wire::call_served};

/// A plugin as a service for `http::Request`: `POST` on any path is a call, `GET` on a path that ends in `/health` asks
/// after its health, and anything else is refused.
///
/// It is always ready, and its error is `Infallible`: every fault is an answer. The plugin's own failure (`PLUGIN_1203`) is
/// 200 with a text in `error`. A call that cannot be read is 400, 408, 413 or 415; a refusal of the plugin's layers 503, 429
/// or 504; both with a body of `application/problem+json`. A panic of the plugin is caught and is its failure.
///
/// The call's deadline is the earlier of the envelope's `timeout` and the header `X-Request-Timeout`; when it passes, the
/// plugin's future is dropped and the answer is 504. Dropping the future drops the plugin's.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, StatusCode};
/// use http_body_util::Full;
/// use plugin_transports::{
///     http::PluginServer,
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
/// use tower::{BoxError, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let server = PluginServer::new(json::serve(double)); // goes into any server for `http` services, such as axum's
///
/// let body = Full::<Bytes>::from(r#"{"data": 21}"#);
/// let call = Request::post("/").header("content-type", "application/json").body(body)?;
/// assert_eq!(server.oneshot(call).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PluginServer<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> PluginServer<S> {
    /// Serves a plugin, with the defaults of [`ServerOptions`](super::ServerOptions).
    #[must_use]
    pub fn new(plugin: S) -> Self {
        Self::with_settings(plugin, Settings::default())
    }

    pub(super) fn with_settings(plugin: S, settings: Settings) -> Self {
        Self { inner: plugin, settings: Arc::new(settings) }
    }

    /// The plugin.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The plugin, to write to.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The plugin alone.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Limits a request's body.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).max_body = bytes;
        self
    }

    /// Limits the time for reading a request's body, to [`ListenOptions::SHORTEST`](crate::listen::ListenOptions::SHORTEST) at least.
    #[must_use]
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.settings).body_timeout = timeout.max(crate::listen::ListenOptions::SHORTEST);
        self
    }

    /// Sets how the plugin finds out about its health.
    #[must_use]
    pub fn with_health<F, Fut>(mut self, health: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HealthStatus> + Send + 'static,
    {
        Arc::make_mut(&mut self.settings).health = Arc::new(move || Box::pin(health()));
        self
    }
}

impl<S, B> Service<Request<B>> for PluginServer<S>
where
    S: Plugin<Bytes, Bytes>,
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Response = Response<Parts>;
    type Error = Infallible;
    type Future = PluginServerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> PluginServerFuture {
        let (plugin, settings) = (self.inner.clone(), Arc::clone(&self.settings));
        PluginServerFuture(Some(Box::pin(async move { respond(plugin, &settings, request).await })))
    }
}

async fn respond<S, B>(plugin: S, settings: &Settings, request: Request<B>) -> Response<Parts>
where
    S: Plugin<Bytes, Bytes>,
    B: Body,
{
    let received = clock::now();
    if let Some(Err(error)) = settings.guard.as_ref().map(|guard| guard.check(&request)) {
        let status = StatusCode::from_u16(error.code().http_status()).unwrap_or(StatusCode::FORBIDDEN);
        return problem(status, error.code(), error.message_for_callers(), None);
    }
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => {}
        Method::GET | Method::HEAD if parts.uri.path().ends_with("/health") => {
            return answer::health(&(settings.health)().await);
        }
        _ => {
            let detail = "a call is a POST; GET is for paths that end in /health";
            let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidPayload, detail, None);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
    }
    match request::decode(&parts.headers, body, settings, received).await {
        Ok(request::Decoded { mut call, request_id }) => {
            listen::tell_call(&parts.extensions, call.context_mut());
            answer::answer(call_served::answer(plugin, call).await, &request_id)
        }
        Err(response) => *response,
    }
}

impl<S: fmt::Debug> fmt::Debug for PluginServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginServer")
            .field("inner", &self.inner)
            .field("max_body", &self.settings.max_body)
            .field("body_timeout", &self.settings.body_timeout)
            .finish_non_exhaustive()
    }
}

/// The future of [`PluginServer`].
#[must_use = "a future does nothing until it is polled"]
pub struct PluginServerFuture(Option<BoxFuture<Response<Parts>>>);

impl Future for PluginServerFuture {
    type Output = Result<Response<Parts>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { polled_after_end("plugin_transports::http::PluginServerFuture") };
        let response = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for PluginServerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginServerFuture").finish_non_exhaustive()
    }
}
