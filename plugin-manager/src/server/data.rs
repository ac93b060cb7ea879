//! The data plane: `POST /v1/plugins/{name}`.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header, request::Parts},
    response::IntoResponse,
    routing::post,
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use plugin_core::{Call, CallContext, Code, PluginError, Rejected, Sent, clock::Instant, rounded};
use plugin_telemetry::Status;
use plugin_transports::{auth::Identity, json, listen::PeerAddr};

use super::{
    access_log::{LoggedRequest, Wanted},
    body_memory::{Bodies, Full, HeldBytes},
    context,
    lifecycle::Lifecycle,
    problem::{ErrorDetail, Fault},
    request_target::{self, PluginName},
};
use crate::manager::Manager;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone)]
struct DataPlane {
    manager: Manager<Bytes, Bytes>,
    bounds: Bounds,
    /// Of payloads, until the reply is there.
    bodies: Arc<Bodies>,
    /// Of replies, until their clients have them: so those that do not read take no room from those that ask.
    replies: Arc<Bodies>,
    lifecycle: Arc<Lifecycle>,
}

/// What bounds a call, and what is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_body: u64,
    /// Of all that are held at once, in each direction.
    pub(super) max_bodies: u64,
    /// For the whole body: one that comes a byte at a time is no way round it.
    pub(super) body_timeout: Duration,
    /// What bounds the JSON of a payload; that of a reply is for its transport.
    pub(super) json: json::Limits,
    pub(super) error_detail: ErrorDetail,
    pub(super) access_log: Wanted,
}

/// The routes of the data plane. The body of a request is the payload, and must be JSON; the body of an answer is the
/// plugin's reply.
pub(super) fn routes(manager: Manager<Bytes, Bytes>, bounds: Bounds, lifecycle: Arc<Lifecycle>) -> Router {
    Router::new().route("/v1/plugins/{name}", post(call).fallback(only_post)).fallback(no_such_path).with_state(
        DataPlane {
            manager,
            bounds,
            bodies: Bodies::new(bounds.max_bodies),
            replies: Bodies::new(bounds.max_bodies),
            lifecycle,
        },
    )
}

async fn call(State(plane): State<DataPlane>, name: Result<PluginName, Fault>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut context = CallContext::new();
    let read = context::read(&parts.headers, &mut context);
    let request_id = context.request_id().to_string();
    let received = context.received();
    let plugin = name.as_ref().ok().map(|PluginName(name)| name.clone()).filter(|name| plane.manager.contains(name));
    if let Some(asked) = parts.extensions.get::<LoggedRequest>() {
        let plugin = plugin.as_deref();
        asked.tell(&request_id, parts.extensions.get::<Identity>(), plugin);
    }
    // A plugin that is code of this program may panic. What it did not get to is dropped as of a call that has failed.
    let forwarded =
        AssertUnwindSafe(forward(&plane, name, received, read.map(|()| context), &parts, body)).catch_unwind();
    let mut response = match forwarded.await.unwrap_or_else(|_| Err(panicked(plugin.as_deref(), &request_id))) {
        Ok(payload) => {
            let mut response = Response::new(Body::from(payload));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(fault) => fault.respond(plane.bounds.error_detail, Some(&request_id)),
    };
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
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

async fn forward(
    plane: &DataPlane,
    name: Result<PluginName, Fault>,
    received: Instant,
    context: Result<CallContext, PluginError>,
    parts: &Parts,
    body: Body,
) -> Result<Bytes, Fault> {
    let PluginName(name) = &name?;
    // Before the body is read: an unknown name must not cost the memory of a payload.
    plane.manager.knows(name)?;
    let door = DataDoor { manager: &plane.manager, name, received, is_passed: false };
    // Until the reply is there: so long the payload lives.
    let peer = parts.extensions.get::<PeerAddr>().copied();
    let mut held = plane.bodies.enter(peer);
    let admitted = tokio::select! {
        biased;
        admitted = admit(plane.bounds, context, parts, body, &mut held) => admitted,
        // Its call would be refused.
        () = plane.lifecycle.closed.raised() => Err(PluginError::from(Rejected::new(Code::ShuttingDown)).into()),
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
            Err(error.with_plugin(name.as_str()))
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
            Fault::from(PluginError::new(Code::QueueFull, problem).with_plugin(name.as_str())).answered()
        }),
        // It has been taken out meanwhile, and its counts with it, or is not there yet.
        Err(error) if !plane.manager.counts(name) => Err(error.into()),
        Err(error) => Err(Fault::from(plane.manager.explain(name, error)).counted()),
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

/// What a request asks for, once it is whole and nothing of it is at fault.
async fn admit(
    bounds: Bounds,
    context: Result<CallContext, PluginError>,
    parts: &Parts,
    body: Body,
    held: &mut HeldBytes,
) -> Result<Call<Bytes>, Fault> {
    let context = context?;
    request_target::query(&parts.uri, &[])?;
    check_kind(&parts.headers)?;
    let payload = read_whole(body, bounds, held).await?;
    // The one place where it is read as JSON on its way to a transport, however many attempts it takes.
    Ok(json::checked_within(Call::with_context(context, payload), bounds.json)?)
}

/// A payload is JSON, not compressed, and says so: a page of another site can make a browser send anything that does not.
fn check_kind(headers: &HeaderMap) -> Result<(), Fault> {
    let refused =
        |problem: &'static str| Err(Fault::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidPayload, problem));
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    let kind = kind.trim().to_ascii_lowercase();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        return refused(
            "the payload must be JSON and say so: `Content-Type: application/json`, as `curl --json` sends it, or \
             `curl -H 'content-type: application/json' -d`",
        );
    }
    // JSON is UTF-8 (RFC 8259); text in another encoding would be other text, or refused as if it were no JSON.
    if !parameters.split(';').all(is_utf8) {
        return refused("JSON is UTF-8, and the charset of the content type says that the payload is not");
    }
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !plain {
        return refused("the payload must not be compressed, and the header content-encoding says that it is");
    }
    Ok(())
}

/// Whether a parameter of a content type names no encoding but UTF-8.
fn is_utf8(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// The whole body, within its bounds of size and of time. One that announces too much is not read, and its sender gets no
/// `100 Continue`.
async fn read_whole(body: Body, bounds: Bounds, held: &mut HeldBytes) -> Result<Bytes, Fault> {
    match tokio::time::timeout(bounds.body_timeout, read_body(body, bounds, held)).await {
        Ok(read) => read,
        Err(_) => {
            let limit = bounds.body_timeout;
            let problem =
                format!("the payload did not arrive within {}; `server.body_timeout` sets the limit", rounded(limit));
            Err(Fault::of(StatusCode::REQUEST_TIMEOUT, Code::Timeout, problem))
        }
    }
}

async fn read_body(mut body: Body, bounds: Bounds, held: &mut HeldBytes) -> Result<Bytes, Fault> {
    let max = bounds.max_body;
    let full = |full: Full| {
        let (whose, max) = full.of(bounds.max_bodies);
        let problem = format!(
            "with this payload those that are held{whose} would come to more than {max} bytes; `server.max_bodies` sets the \
             limit"
        );
        Fault::from(PluginError::new(Code::QueueFull, problem).with_sent(Sent::Nothing))
    };
    let too_large = || {
        let problem = format!("the payload is larger than {max} bytes; `server.max_body` sets the limit");
        let error = PluginError::new(Code::PayloadTooLarge, problem).with_sent(Sent::Nothing);
        Fault::from(error)
    };
    let announced = HttpBody::size_hint(&body).lower();
    if announced > max {
        return Err(too_large());
    }
    // What a head announces costs its sender nothing, so it counts with what has come, and takes no room before.
    let most = if announced > 0 { announced } else { max };
    // What comes in one piece, as most do, is not copied. Pieces are copied together, so that many small ones cost no more
    // than their bytes.
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let problem = "the payload did not arrive whole";
            PluginError::new(Code::InvalidPayload, problem).with_source(error).with_sent(Sent::Nothing)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.len() + rest.len() + data.len();
        if length as u64 > max {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            held.grow(length as u64).map_err(full)?;
            first = data;
            continue;
        }
        // Counted with what its buffer grows to: doubled, when it is full.
        if length > rest.capacity() {
            let room = (length as u64).saturating_mul(2).min(most).max(length as u64);
            held.grow(room).map_err(full)?;
            rest.reserve(usize::try_from(room).unwrap_or(length) - rest.len());
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
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
