//! The data plane: `POST /v1/plugins/{name}`.

use std::{fmt::Write, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header, request::Parts},
    response::IntoResponse,
    routing::post,
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::{Either, Full as WholeBody};
use plugin_core::{BoxError, CallContext, Code, PluginError, Rejected, Sent, clock::Instant, rounded};
use plugin_ratelimit::ClientIpConfig;
use plugin_telemetry::Status;
use plugin_transports::{auth::Identity, listen::PeerAddr};

use super::{
    access_log::LoggedRequest, body_memory::Bodies, bounds::Bounds, client_limit::ClientLimit, context,
    lifecycle::Lifecycle, payload::admit, problem::Fault, request_target::PluginName, second_look::at_second_look,
};
use crate::{manager::Manager, stack::Caller};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The body of an answer: a plugin's reply, which is there as a whole, or whatever else is said.
pub(super) type AnswerBody = Either<WholeBody<Bytes>, Body>;

pub(super) struct DataPlane {
    manager: Manager<Bytes, Bytes>,
    bounds: Bounds,
    /// Of payloads, until the reply is there.
    bodies: Arc<Bodies>,
    /// Of replies, until their clients have them: so those that do not read take no room from those that ask.
    replies: Arc<Bodies>,
    callers: Callers,
    lifecycle: Arc<Lifecycle>,
}

/// What is made of who has sent a request.
pub(super) struct Callers {
    pub(super) client_ip: Arc<ClientIpConfig>,
    pub(super) limit: Option<ClientLimit>,
    /// Whether each call says it.
    pub(super) are_told: bool,
}

impl Callers {
    /// Who has sent a request, where anybody asks.
    fn of(&self, asked: &Asked<'_>) -> Option<Caller> {
        if !self.are_told && self.limit.is_none() {
            return None;
        }
        let mut caller = Caller::default();
        if let Some(identity) = asked.extensions.get::<Identity>() {
            caller = caller.with_name(identity.name());
        }
        if let Some(peer) = asked.extensions.get::<PeerAddr>() {
            let client = self.client_ip.client(peer.0.ip(), &asked.headers);
            caller = caller.with_address(self.client_ip.key(client));
        }
        Some(caller)
    }
}

impl DataPlane {
    pub(super) fn new(
        manager: Manager<Bytes, Bytes>,
        bounds: Bounds,
        callers: Callers,
        lifecycle: Arc<Lifecycle>,
    ) -> Arc<Self> {
        let bodies = || Bodies::new(bounds.max_bodies);
        Arc::new(Self { manager, bounds, bodies: bodies(), replies: bodies(), callers, lifecycle })
    }
}

/// The routes of the data plane. The body of a request is the payload, and must be JSON; the body of an answer is the
/// plugin's reply.
pub(super) fn routes(plane: Arc<DataPlane>) -> Router {
    Router::new().route("/v1/plugins/{name}", post(routed).fallback(only_post)).fallback(no_such_path).with_state(plane)
}

async fn routed(
    State(plane): State<Arc<DataPlane>>,
    name: Result<PluginName, Fault>,
    request: Request,
) -> Response<Body> {
    let (Parts { uri, headers, extensions, .. }, body) = request.into_parts();
    let asked = Asked { uri: &uri, headers, extensions: &extensions };
    let answer = match name {
        Ok(PluginName(name)) => call(&plane, Ok(&name), asked, body).await,
        Err(fault) => call(&plane, Err(fault), asked, body).await,
    };
    answer.map(|body| match body {
        Either::Left(reply) => Body::new(reply),
        Either::Right(body) => body,
    })
}

/// What a request says beside its body.
pub(super) struct Asked<'r> {
    pub(super) uri: &'r Uri,
    pub(super) headers: HeaderMap,
    pub(super) extensions: &'r Extensions,
}

/// Calls the plugin of this name, or answers why the name cannot be read.
pub(super) async fn call<B>(
    plane: &DataPlane,
    name: Result<&str, Fault>,
    asked: Asked<'_>,
    body: B,
) -> Response<AnswerBody>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut context = CallContext::new();
    let read = context::read(&asked.headers, &mut context);
    let caller = plane.callers.of(&asked);
    if let Some(caller) = caller.as_ref().filter(|_| plane.callers.are_told) {
        context.set_extension(caller.clone());
    }
    let request_id = ShownId::of(&context);
    let received = context.received();
    let named = name.as_ref().ok().copied();
    let plugin = || named.filter(|name| plane.manager.contains(name));
    if let Some(logged) = asked.extensions.get::<LoggedRequest>() {
        logged.tell(request_id.text(), asked.extensions.get::<Identity>(), plugin());
    }
    // A plugin that is code of this program may panic. What it did not get to is dropped as of a call that has failed.
    let forwarded =
        AssertUnwindSafe(forward(plane, name, received, read.map(|()| context), caller.as_ref(), &asked, body))
            .catch_unwind();
    let mut response = match forwarded.await.unwrap_or_else(|_| Err(panicked(plugin(), request_id.text()))) {
        Ok(payload) => {
            let mut response = Response::new(Either::Left(WholeBody::new(payload)));
            // The request needs its headers no longer, so that there is room for those of the answer.
            let mut headers = asked.headers;
            headers.clear();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.headers_mut() = headers;
            response
        }
        Err(fault) => fault.respond(plane.bounds.error_detail, Some(request_id.text())).map(Either::Right),
    };
    if let ShownId(Ok(id)) = request_id {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

/// The id of a request as a header says it, or its text where none can.
struct ShownId(Result<HeaderValue, String>);

impl ShownId {
    fn of(context: &CallContext) -> Self {
        // The length of an id that this program has made, as most are.
        let mut text = BytesMut::with_capacity(32);
        // A buffer that grows refuses nothing.
        let _ = write!(text, "{}", context.request_id());
        Self(HeaderValue::from_maybe_shared(text.freeze()).map_err(|_| context.request_id().to_string()))
    }

    fn text(&self) -> &str {
        match &self.0 {
            Ok(shown) => shown.to_str().unwrap_or_default(),
            Err(text) => text,
        }
    }
}

/// The answer of a call that has panicked, which the log names: what the panic itself says, the program's hook tells.
#[cold]
fn panicked(plugin: Option<&str>, request_id: &str) -> Fault {
    tracing::error!(plugin, request_id, "a call has panicked");
    let error =
        PluginError::new(Code::ExecutionFailed, "the plugin has panicked in this call; the log has the details");
    match plugin {
        // It was counted when it was dropped.
        Some(plugin) => Fault::from(error.with_plugin(plugin)).counted(),
        None => error.into(),
    }
}

async fn forward<B>(
    plane: &DataPlane,
    name: Result<&str, Fault>,
    received: Instant,
    context: Result<CallContext, PluginError>,
    caller: Option<&Caller>,
    asked: &Asked<'_>,
    body: B,
) -> Result<Bytes, Fault>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if let (Some(limit), Some(caller)) = (&plane.callers.limit, caller) {
        let left = context.as_ref().ok().and_then(|context| context.remaining(received));
        let admitted = limit.admit(caller, left.unwrap_or(Duration::MAX)).await;
        admitted.map_err(Fault::of_client_limit)?;
    }
    let name = name?;
    // Before the body is read: an unknown name must not cost the memory of a payload.
    plane.manager.knows(name)?;
    let door = DataDoor { manager: &plane.manager, name, received, is_passed: false };
    // Until the reply is there: so long the payload lives.
    let peer = asked.extensions.get::<PeerAddr>().copied();
    let mut held = plane.bodies.enter(peer);
    let admitted = tokio::select! {
        biased;
        admitted = admit(plane.bounds, context, asked.uri, &asked.headers, body, &mut held) => admitted,
        fault = given_up(plane) => Err(fault),
    };
    let call = match admitted {
        Ok(call) => door.pass(call),
        Err(fault) => return Err(door.refuse(fault)),
    };
    let answer = tokio::select! {
        biased;
        answer = plane.manager.execute_with(name, call) => answer,
        () = plane.lifecycle.over.raised() => {
            let problem = "the gateway has stopped and did not wait for the plugin's answer any longer";
            let error = PluginError::new(Code::ShuttingDown, problem).with_sent(Sent::Maybe);
            Err(error.with_plugin(name))
        }
    };
    match answer {
        Ok(reply) => plane.replies.keep(peer, reply.into_payload()).map_err(|full| {
            let (whose, max) = full.of(plane.bounds.max_bodies);
            let problem = format!(
                "the plugin has answered, and with this reply those that clients have not taken yet{whose} would come to \
                 more than {max} bytes; `server.max_bodies` sets the limit"
            );
            // The plugin's stack has counted the call, as the success that it was. That nobody gets it is counted here.
            Fault::from(PluginError::new(Code::QueueFull, problem).with_plugin(name)).answered()
        }),
        // It has been taken out meanwhile, and its counts with it, or is not there yet.
        Err(error) if !plane.manager.counts(name) => Err(error.into()),
        Err(error) => Err(Fault::from(plane.manager.explain(name, error)).counted()),
    }
}

/// Resolves when a body that is still on its way is not waited for any longer, with why. Most come with the head of their request and
/// are there at the second look, so that a timer is set for those alone that are not.
async fn given_up(plane: &DataPlane) -> Fault {
    let closed = &plane.lifecycle.closed;
    // Its call would be refused.
    let refused = || Fault::from(PluginError::from(Rejected::new(Code::ShuttingDown)));
    if closed.is_raised() {
        return refused();
    }
    at_second_look().await;
    let limit = plane.bounds.body_timeout;
    tokio::select! {
        biased;
        () = closed.raised() => refused(),
        () = tokio::time::sleep(limit) => {
            let problem =
                format!("the payload did not arrive within {}; `server.body_timeout` sets the limit", rounded(limit));
            Fault::of(StatusCode::REQUEST_TIMEOUT, Code::Timeout, problem)
        }
    }
}

/// Where a request for a plugin becomes a call of it. Whatever does not pass is in the plugin's counts, as what passes is.
struct DataDoor<'r> {
    manager: &'r Manager<Bytes, Bytes>,
    name: &'r str,
    received: Instant,
    is_passed: bool,
}

impl DataDoor<'_> {
    /// The manager and the stack count it from here on.
    fn pass<T>(mut self, call: T) -> T {
        self.is_passed = true;
        call
    }

    fn refuse(mut self, fault: Fault) -> Fault {
        self.is_passed = true;
        let status = match fault.status().as_u16() {
            400..500 => Status::Caller,
            _ => Status::of_code(fault.code()),
        };
        self.manager.count(self.name, status, Some(fault.code()), self.received);
        let fault = fault.with_plugin(self.name);
        if self.manager.counts(self.name) { fault.counted() } else { fault }
    }
}

impl Drop for DataDoor<'_> {
    fn drop(&mut self) {
        // Its client went away before it had sent all of it.
        if !self.is_passed {
            self.manager.count(self.name, Status::Cancelled, None, self.received);
        }
    }
}

async fn only_post() -> Response<Body> {
    let problem = "call a plugin with POST; the body is its payload";
    let mut response = Fault::of(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidPayload, problem).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn no_such_path(uri: Uri) -> Fault {
    let admin = ["/admin", "/metrics", "/health", "/readyz"].iter().any(|path| uri.path().starts_with(path));
    let problem = if admin {
        "this is the data plane, where plugins are called with POST /v1/plugins/NAME; what was asked for is on the admin \
         plane, 127.0.0.1:9090 by default"
    } else {
        "plugins are called with POST /v1/plugins/NAME"
    };
    Fault::of(StatusCode::NOT_FOUND, Code::InvalidPayload, problem)
}
