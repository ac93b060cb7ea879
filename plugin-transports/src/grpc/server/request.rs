//! From a request of gRPC to a call.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::Body;
use plugin_core::{Call, CallContext, Code, PluginError, TraceContext, clock::Instant, rounded};
use prost::Message;

use super::options::Settings;
use crate::{
    grpc::{
        content_type,
        frame::{self, FrameFault},
        proto, rich,
        status::{GrpcStatus, UNIMPLEMENTED},
        timeout,
    },
    wire::{bounded::quoted, header_names, headers::of_texts},
};

/// A request that is not taken.
pub(super) struct Refused {
    pub(super) status: GrpcStatus,
    /// The coding that it has is not known here, and those that are have to be named.
    pub(super) names_codings: bool,
}

impl From<PluginError> for Refused {
    fn from(error: PluginError) -> Self {
        Self { status: rich::status_of(&error), names_codings: false }
    }
}

fn bad(problem: impl Into<std::borrow::Cow<'static, str>>) -> PluginError {
    PluginError::new(Code::InvalidPayload, problem)
}

/// Reads the message of a request.
pub(super) async fn read<M: Message + Default, B: Body>(
    headers: &HeaderMap,
    body: B,
    settings: &Settings,
) -> Result<M, Refused> {
    let gzip = match text(headers, header_names::GRPC_ENCODING) {
        None | Some("identity") => false,
        Some("gzip") => true,
        Some(other) => {
            let error =
                bad(format!("messages are compressed with {}, and only gzip and identity are read", quoted(other)));
            return Err(Refused { status: rich::numbered(&error, UNIMPLEMENTED), names_codings: true });
        }
    };
    let reading = tokio::time::timeout(settings.body_timeout, frame::read(body, settings.max_message, gzip));
    let read = match reading.await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => return Err(bad("the request broke off").into()),
        Err(_) => {
            let problem = format!("the request did not arrive within {}", rounded(settings.body_timeout));
            return Err(PluginError::new(Code::Timeout, problem).into());
        }
    };
    let message = match read.message {
        Ok(Some(message)) => message,
        Ok(None) => return Err(bad("the request has no message, and is to have one").into()),
        Err(fault) => return Err(refused(fault, settings.max_message).into()),
    };
    M::decode(message).map_err(|error| bad(format!("the request's message cannot be read: {error}")).into())
}

fn refused(fault: FrameFault, max: usize) -> PluginError {
    match fault {
        FrameFault::TooLarge(length) => {
            let length = length.map_or_else(|| "more".to_owned(), |length| length.to_string());
            let problem = format!("the request's message has {length} bytes, and this plugin takes {max} at most");
            PluginError::new(Code::PayloadTooLarge, problem)
        }
        FrameFault::Truncated { missing } => bad(format!("the request's message ends {missing} bytes too early")),
        FrameFault::More => bad("the request has more than its one message"),
        FrameFault::Flag(flag) => bad(format!("the request's message begins with {flag}, and not with 0 or 1")),
        FrameFault::Unannounced => bad("the request's message is compressed, and no `grpc-encoding` says how"),
        FrameFault::NotGzip(error) => bad(format!("the request's message says that it is gzip, and is not: {error}")),
    }
}

/// The time that the caller gives.
pub(super) fn deadline(headers: &HeaderMap) -> Result<Option<std::time::Duration>, PluginError> {
    let Some(value) = headers.get(header_names::GRPC_TIMEOUT) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    timeout::parse(&text).map(Some).map_err(|problem| bad(format!("`grpc-timeout` {problem}")))
}

/// Makes a call of a request that was received then.
pub(super) fn call(
    headers: &HeaderMap,
    request: proto::ExecuteRequest,
    settings: &Settings,
    received: Instant,
) -> Result<Call<Bytes>, PluginError> {
    let proto::ExecuteRequest { payload, content_type, context: said } = request;
    if !content_type::is_like(&content_type, &settings.content_type) {
        let (is, takes) = (content_type::meant(&content_type), &settings.content_type);
        return Err(bad(format!("the payload is {}, and this plugin takes {takes:?}", quoted(is))));
    }
    if content_type::is_json(&settings.content_type) {
        settings.json.check(&payload).map_err(|flaw| bad(format!("the payload is not taken: {flaw}")))?;
    }
    let mut context = CallContext::received_at(received);
    if let Some(limit) = deadline(headers)? {
        context = context.with_timeout(limit);
    }
    if let Some(said) = said {
        tell(&mut context, said)?;
    }
    if let Some(trace) = text(headers, header_names::TRACEPARENT).and_then(TraceContext::parse) {
        context.set_trace(trace.with_state(text(headers, header_names::TRACESTATE).unwrap_or_default()));
    }
    Ok(Call::with_context(context, payload))
}

/// Writes down what travels with a call.
fn tell(context: &mut CallContext, said: proto::CallContext) -> Result<(), PluginError> {
    if !said.request_id.is_empty() {
        context.set_request_id(&said.request_id);
    }
    context.set_attempt(u16::try_from(said.attempt).unwrap_or(u16::MAX));
    if let Some(max) = said.max_retries {
        context.limit_retries(u16::try_from(max).unwrap_or(u16::MAX));
    }
    if let Some(idempotent) = said.idempotent {
        context.set_idempotent(idempotent);
    }
    if said.affinity != 0 {
        // The key itself stays with the host; equal ones have equal numbers.
        context.set_affinity_key(&said.affinity.to_be_bytes());
    }
    if said.priority != 0 {
        let least = i32::from(i16::MIN);
        let priority = said.priority.clamp(least, i32::from(i16::MAX));
        context.set_priority(i16::try_from(priority).unwrap_or_default());
    }
    if !said.headers.is_empty() {
        *context.headers_mut() =
            of_texts(&said.headers).map_err(|problem| bad(format!("`context` is not taken: {problem}")))?;
    }
    if !said.metadata.is_empty() {
        *context.metadata_mut() = said.metadata;
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).filter(|text| !text.is_empty())
}
