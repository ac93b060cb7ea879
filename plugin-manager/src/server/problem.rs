//! Faults as RFC 9457 problem documents: whatever either plane answers that is no success, but for probes, is one of these.

use std::{borrow::Cow, error::Error, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use plugin_core::{AsHttpResponse, Code, PluginError, Rejected, Sent, millis_up};
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest detail that is passed on, in bytes.
const MAX_DETAIL: usize = 4096;

/// No document is larger, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

const DOCUMENT: &str = "application/problem+json";
const REQUEST_ID: &str = "x-request-id";

/// The most causes that are listed.
const MAX_CAUSES: usize = 8;

/// How much the data plane says of what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// The code and what follows from it: for callers whom the inside does not concern.
    Code,
    /// That, what happened in a sentence that names no place of this machine, and what the plugin answered.
    #[default]
    Message,
    /// All that, with the addresses and files that the log names, the end of a process's stderr, and the causes beneath it, innermost
    /// last.
    Full,
}

#[derive(Serialize)]
struct ProblemJson<'e> {
    r#type: &'static str,
    title: &'e str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'e str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'e str>,
    retryable: bool,
    /// How much of the call reached the plugin: `no`, `maybe` or `yes`. It says whether a second attempt could repeat an
    /// effect, where `retryable` says whether one could help.
    sent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_detail: Option<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'e str>,
}

/// An error on its way to a response.
#[derive(Debug)]
pub(super) struct Fault {
    error: PluginError,
    /// Where the code's own status does not say it.
    status: Option<StatusCode>,
    /// Whether it is in the counts of its plugin.
    is_counted: bool,
    /// Whether the plugin had answered, whatever its code says.
    is_answered: bool,
}

impl Fault {
    /// A fault of the request itself, of which nothing was sent.
    pub(super) fn of(status: StatusCode, code: Code, problem: impl Into<Cow<'static, str>>) -> Self {
        let error = PluginError::new(code, problem).with_sent(Sent::Nothing);
        Self { error, status: Some(status), is_counted: false, is_answered: false }
    }

    /// A refusal of the limit of clients, which is no plugin's.
    pub(super) fn of_client_limit(rejected: Rejected) -> Self {
        let said = PluginError::from(rejected).message().replacen("the rate limit", "the rate limit of this client", 1);
        Self::from(PluginError::refused(rejected, said))
    }

    /// What it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| status(&self.error))
    }

    pub(super) fn code(&self) -> Code {
        self.error.code()
    }

    /// Says that it is in the counts of its plugin.
    pub(super) fn counted(self) -> Self {
        Self { is_counted: true, ..self }
    }

    /// Says that the plugin had answered.
    pub(super) fn answered(self) -> Self {
        Self { is_answered: true, ..self }
    }

    /// Names the plugin that was asked for.
    pub(super) fn with_plugin(self, name: &str) -> Self {
        Self { error: self.error.with_plugin(name), ..self }
    }

    /// Answers with another status than that of its code.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// What happened, as the operator is told, which is also in the extensions of the response, for the log.
    fn told(&self) -> ToldProblem {
        let (message, detail) = (self.error.message(), self.error.detail().map(bounded));
        let said = detail.map_or_else(|| message.into(), |detail| format!("{message}; {}", detail.trim()).into());
        ToldProblem { code: self.error.code(), said, is_counted: self.is_counted }
    }

    pub(super) fn respond(&self, detail: ErrorDetail, request_id: Option<&str>) -> Response<Body> {
        let mut response = document(self, detail, request_id);
        response.extensions_mut().insert(self.told());
        response
    }
}

impl From<PluginError> for Fault {
    fn from(error: PluginError) -> Self {
        Self { error, status: None, is_counted: false, is_answered: false }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response<Body> {
        self.respond(ErrorDetail::Message, None)
    }
}

/// The code of the fault that a response tells, and its sentence with what the plugin said besides.
#[derive(Clone, Debug)]
pub(super) struct ToldProblem {
    pub(super) code: Code,
    pub(super) said: Arc<str>,
    /// Whether it is in the counts of a plugin.
    pub(super) is_counted: bool,
}

/// The response to an error: its status, `Retry-After` where it is known, and a problem document.
pub(crate) fn respond(error: PluginError) -> Response<Body> {
    Fault::from(error).into_response()
}

/// Whether this is a problem document that does not say of which request.
pub(super) fn lacks_id(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE);
    !response.status().is_success()
        && !headers.contains_key(REQUEST_ID)
        && kind.is_some_and(|kind| kind.as_bytes() == DOCUMENT.as_bytes())
}

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A call of a plugin.
    Call,
    /// Something else, of which no plugin is sent anything.
    Command,
}

/// The same document with the id of its request, and the header that says it; and about nothing but a call with what was sent
/// of one.
pub(super) async fn completed(response: Response<Body>, id: String, about: About) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // They are written here and by the layers on the way, and are whole; anything else is left as it is.
    let Ok(bytes) = to_bytes(body, MAX_DOCUMENT).await else { return Response::from_parts(parts, Body::empty()) };
    let body = match serde_json::from_slice::<Map<String, Value>>(&bytes) {
        Ok(mut document) => {
            document.insert("request_id".to_owned(), Value::String(id.clone()));
            if about == About::Command {
                document.remove("sent");
            }
            serde_json::to_vec(&document).map_or_else(|_| Body::from(bytes), Body::from)
        }
        Err(_) => Body::from(bytes),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Ok(id) = HeaderValue::try_from(id) {
        parts.headers.insert(REQUEST_ID, id);
    }
    Response::from_parts(parts, body)
}

fn document(fault: &Fault, detail: ErrorDetail, request_id: Option<&str>) -> Response<Body> {
    let error = &fault.error;
    let (code, status) = (error.code(), fault.status());
    let retry_after = error.retry_after();
    let (message, said) = match detail {
        ErrorDetail::Code => (None, None),
        ErrorDetail::Message => (Some(error.message_for_callers()), error.detail_for_callers()),
        ErrorDetail::Full => (Some(error.message()), error.detail()),
    };
    let problem = ProblemJson {
        r#type: "about:blank",
        title: fault.status.and_then(|status| status.canonical_reason()).unwrap_or_else(|| title(code)),
        status: status.as_u16(),
        detail: message,
        code: code.as_str(),
        plugin: error.plugin(),
        retryable: error.is_worth_coming_back(),
        sent: if fault.is_answered { "yes" } else { sent(error) },
        retry_after_ms: retry_after.map(millis_up),
        plugin_detail: said.map(bounded),
        causes: if detail == ErrorDetail::Full { causes(error) } else { Vec::new() },
        request_id,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(DOCUMENT));
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(quota) = error.rejected().and_then(Rejected::quota) {
        AsHttpResponse::tell_quota(headers, quota);
    }
    if code == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// That of the code, but for what the plugin did: its reply that is too large is no fault of the caller's payload, and its
/// own 429 and 503 mean the same from here.
fn status(error: &PluginError) -> StatusCode {
    let of_plugin = error.http_status().and_then(|status| StatusCode::from_u16(status).ok());
    match (error.code(), of_plugin) {
        (Code::PayloadTooLarge, _) if error.is_of_reply() => StatusCode::BAD_GATEWAY,
        (Code::HttpTransport, Some(status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE))) => {
            status
        }
        (code, _) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn sent(error: &PluginError) -> &'static str {
    match error.sent() {
        Sent::Nothing => "no",
        Sent::Maybe if has_answered(error) => "yes",
        Sent::Maybe => "maybe",
    }
}

/// Whether an error of a call that may have been sent is what the plugin said, or what was made of what it said. Its own
/// `PLUGIN_1204` cannot be told from the gateway's.
fn has_answered(error: &PluginError) -> bool {
    let said = [Code::ExecutionFailed, Code::InvalidPayload, Code::PayloadTooLarge, Code::RateLimited];
    said.contains(&error.code()) || error.http_status().is_some()
}

fn causes(error: &PluginError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next.filter(|_| causes.len() < MAX_CAUSES) {
        let said = bounded(&cause.to_string()).to_owned();
        // A library that wraps another's error often says what that says.
        if causes.last() != Some(&said) {
            causes.push(said);
        }
        next = cause.source();
    }
    causes
}

fn title(code: Code) -> &'static str {
    use plugin_core::CodeKind;
    match code.kind() {
        CodeKind::Config => "Configuration fault",
        CodeKind::Auth => "Not allowed",
        CodeKind::NotFound => "Plugin not available",
        CodeKind::Payload => "Payload not accepted",
        CodeKind::Execution => "Plugin failed",
        CodeKind::Timeout => "Out of time",
        CodeKind::Connection => "Plugin not reached",
        CodeKind::CircuitOpen => "Circuit open",
        CodeKind::RateLimited => "Rate limit exceeded",
        CodeKind::Unhealthy => "Plugin unhealthy",
        CodeKind::NoEndpoint => "No instance available",
        CodeKind::Overloaded => "Overloaded",
        CodeKind::Security => "Forbidden by a security rule",
        CodeKind::Lifecycle => "Plugin not serving",
        _ => "Call failed",
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_DETAIL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The answer of a request in which this program has panicked outside of a call: a plugin's panic is a failure in its counts.
pub(super) fn has_panicked(_: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let problem = "the gateway failed in this request; the log has the details";
    respond(PluginError::new(Code::ExecutionFailed, problem))
}
