//! A plugin as a service of gRPC.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use plugin_core::{
    BoxFuture, Code, HealthState, HealthStatus, Plugin, PluginError, PluginInfo, Reply, clock, polled_after_end,
};
use tower_service::Service;

use super::{
    body::{self, GrpcBody},
    options::{Settings, settings_of_a_server},
    request::{self, Refused},
};
use crate::{
    grpc::{content_type, frame, proto, rich, status::UNIMPLEMENTED},
    json::Limits,
    listen,
    net::body::Parts,
    wire::{bounded::quoted, call_served},
};

/// A plugin as a service for `http::Request`: `plugin.v1.PluginService`, and nothing else.
///
/// It goes into any server for services of gRPC, as a `tonic::service::Routes` or an `axum::Router`; [`serve`](super::serve) is
/// one that has health checks, reflection and credentials besides. It is always ready, and its error is `Infallible`: every
/// fault is an answer.
///
/// An error of the plugin is the status of its [code](plugin_core::Code), with an `ErrorInfo` and a `RetryInfo` behind it. A
/// panic of the plugin is caught and is its failure. The call's deadline is `grpc-timeout`: when it passes, the plugin's future is
/// dropped and the answer is `DEADLINE_EXCEEDED`. Dropping the future drops the plugin's.
///
/// ```
/// use plugin_transports::{
///     grpc::GrpcPluginServer,
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
///
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let server = GrpcPluginServer::new(json::serve(double));
/// let app: axum::Router = axum::Router::new().route_service("/plugin.v1.PluginService/{method}", server);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct GrpcPluginServer<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> GrpcPluginServer<S> {
    /// Serves a plugin, with the defaults of [`GrpcServerOptions`](super::GrpcServerOptions).
    #[must_use]
    pub fn new(plugin: S) -> Self {
        Self::with_settings(plugin, Settings::default())
    }

    pub(super) fn with_settings(plugin: S, settings: Settings) -> Self {
        Self { inner: plugin, settings: Arc::new(settings) }
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
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

    settings_of_a_server!(settings);
}

impl<S> tonic::server::NamedService for GrpcPluginServer<S> {
    const NAME: &'static str = proto::SERVICE;
}

impl<S, B> Service<Request<B>> for GrpcPluginServer<S>
where
    S: Plugin<Bytes, Bytes>,
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = GrpcPluginServerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> GrpcPluginServerFuture {
        let (plugin, settings) = (self.inner.clone(), Arc::clone(&self.settings));
        GrpcPluginServerFuture::new(async move { respond(plugin, &settings, request).await })
    }
}

async fn respond<S, B>(plugin: S, settings: &Settings, request: Request<B>) -> Response<GrpcBody>
where
    S: Plugin<Bytes, Bytes>,
    B: Body,
{
    if let Some(refusal) = not_grpc(&request) {
        return refusal;
    }
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let answer = match method.as_str() {
        "Execute" => execute(plugin, settings, request).await,
        "Init" => init(settings, request).await,
        "Info" => read::<proto::InfoRequest, _>(settings, request).await.map(|_| info(&settings.info)),
        "Health" => match read::<proto::HealthRequest, _>(settings, request).await {
            Ok(_) => Ok(health(&caught((settings.health)()).await)),
            Err(refused) => Err(refused),
        },
        "ExecuteStream" => Err(unimplemented("this plugin takes no streams: call Execute".to_owned())),
        _ => Err(unimplemented(format!("{} has no method {}", proto::SERVICE, quoted(&method)))),
    };
    answer.unwrap_or_else(|Refused { status, names_codings }| {
        let mut response = body::status(&status);
        if names_codings {
            response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
        }
        response
    })
}

/// What is answered to a request that is none of gRPC's.
pub(super) fn not_grpc<B>(request: &Request<B>) -> Option<Response<GrpcBody>> {
    if request.version() < Version::HTTP_2 {
        let problem = "gRPC is spoken over HTTP/2, and this request came over HTTP/1. Is a proxy in between?\n";
        return Some(body::text(StatusCode::HTTP_VERSION_NOT_SUPPORTED, problem));
    }
    if request.method() != Method::POST {
        let mut response =
            body::text(StatusCode::METHOD_NOT_ALLOWED, "this is a gRPC server, which takes POST alone\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    let rest = kind.strip_prefix(b"application/grpc");
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b";") || rest.starts_with(b"+proto")) {
        return None;
    }
    let problem = "this is a gRPC server, which takes application/grpc alone\n";
    Some(body::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem))
}

fn unimplemented(problem: String) -> Refused {
    let error = PluginError::new(Code::GrpcTransport, problem);
    Refused { status: rich::numbered(&error, UNIMPLEMENTED), names_codings: false }
}

async fn read<M: prost::Message + Default, B: Body>(settings: &Settings, request: Request<B>) -> Result<M, Refused> {
    let (head, body) = request.into_parts();
    request::read(&head.headers, body, settings).await
}

async fn execute<S, B>(plugin: S, settings: &Settings, request: Request<B>) -> Result<Response<GrpcBody>, Refused>
where
    S: Plugin<Bytes, Bytes>,
    B: Body,
{
    let received = clock::now();
    let (head, body) = request.into_parts();
    let message = request::read(&head.headers, body, settings).await?;
    let mut call = request::call(&head.headers, message, settings, received)?;
    listen::tell_call(&head.extensions, call.context_mut());
    Ok(match call_served::answer(plugin, call).await {
        Ok(reply) => answer(reply, settings),
        Err(error) => body::error(&error),
    })
}

fn answer(reply: Reply<Bytes>, settings: &Settings) -> Response<GrpcBody> {
    if content_type::is_json(&settings.content_type)
        && let Err(flaw) = Limits::none().check(reply.payload())
    {
        return body::error(&PluginError::execution(format!("the plugin's reply cannot be sent: {flaw}")));
    }
    let fields = proto::ExecuteResponse {
        payload: Bytes::new(),
        content_type: settings.content_type.to_string(),
        metadata: reply.metadata().clone(),
    };
    body::message(frame::around(&fields, reply.into_payload()))
}

async fn init<B: Body>(settings: &Settings, request: Request<B>) -> Result<Response<GrpcBody>, Refused> {
    let limit = request::deadline(request.headers())?.unwrap_or(settings.body_timeout);
    let message: proto::InitRequest = read(settings, request).await?;
    let Some(init) = &settings.init else {
        return Err(unimplemented("this plugin takes no options".to_owned()));
    };
    // Whoever asked has gone then, and asks again.
    let taken = tokio::time::timeout(limit, AssertUnwindSafe(init(message.options_json)).catch_unwind()).await;
    match taken {
        Ok(Ok(taken)) => taken?,
        Ok(Err(_)) => return Err(PluginError::execution("the plugin panicked").into()),
        Err(_) => return Err(PluginError::new(Code::Timeout, "the options were not taken in time").into()),
    }
    Ok(body::message(Parts::from(frame::whole(&proto::InitResponse {}))))
}

fn info(info: &PluginInfo) -> Response<GrpcBody> {
    let message = proto::InfoResponse {
        name: info.name.clone(),
        version: info.version.clone(),
        description: info.description.clone(),
        author: info.author.clone(),
        capabilities: info.capabilities.clone(),
        build_id: info.build_id.clone(),
        metadata: info.metadata.clone(),
    };
    body::message(Parts::from(frame::whole(&message)))
}

fn health(status: &HealthStatus) -> Response<GrpcBody> {
    use proto::health_response::State;

    let state = match status.state {
        HealthState::Unknown => State::Unspecified,
        HealthState::Healthy => State::Healthy,
        HealthState::Degraded => State::Degraded,
        HealthState::Unhealthy | HealthState::Offline => State::Unhealthy,
    };
    let message = proto::HealthResponse {
        state: state.into(),
        message: status.message.clone(),
        metadata: status.metadata.clone(),
    };
    body::message(Parts::from(frame::whole(&message)))
}

/// A check that panics has found something.
pub(super) async fn caught(check: BoxFuture<HealthStatus>) -> HealthStatus {
    let checked = AssertUnwindSafe(check).catch_unwind().await;
    checked.unwrap_or_else(|_| HealthStatus::unhealthy("the plugin's health check panicked"))
}

impl<S: fmt::Debug> fmt::Debug for GrpcPluginServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcPluginServer")
            .field("inner", &self.inner)
            .field("max_message", &self.settings.max_message)
            .field("body_timeout", &self.settings.body_timeout)
            .field("content_type", &self.settings.content_type)
            .finish_non_exhaustive()
    }
}

/// The future of [`GrpcPluginServer`].
#[must_use = "a future does nothing until it is polled"]
pub struct GrpcPluginServerFuture(Option<BoxFuture<Response<GrpcBody>>>);

impl GrpcPluginServerFuture {
    pub(super) fn new(work: impl Future<Output = Response<GrpcBody>> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl Future for GrpcPluginServerFuture {
    type Output = Result<Response<GrpcBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { polled_after_end("plugin_transports::grpc::GrpcPluginServerFuture") };
        let response = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for GrpcPluginServerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcPluginServerFuture").finish_non_exhaustive()
    }
}
