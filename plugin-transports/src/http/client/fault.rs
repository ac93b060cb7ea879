//! What an answer that is no reply means.

use http::{HeaderMap, StatusCode, header};
use hyper::body::Incoming;
use plugin_core::{Code, PluginError, classify::retry_after, clock};
use serde::Deserialize;

use super::{HttpConfig, body::is_gzip};
use crate::{
    http::envelope,
    net::{body, exchange::Incomplete, progress::CallProgress},
    wire::{bounded, part, plugin_errors, read_object::read_object, retry_hint::RetryHint},
};

/// What is kept of the body of an error.
pub(super) const MAX_DETAIL: usize = bounded::MAX_ERROR;

/// What is read of it, compressed or not: enough to keep the connection, and no more.
const MAX_READ: usize = 64 << 10;

/// Where a redirect points to is shown up to this length.
const MAX_LOCATION: usize = 200;

const PROBLEM: &[u8] = b"application/problem+json";

const GRPC: &[u8] = b"application/grpc";

/// Whether a body is a problem document (RFC 9457).
pub(super) fn is_problem(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().trim_ascii_start());
    kind.and_then(|kind| kind.get(..PROBLEM.len())).is_some_and(|kind| kind.eq_ignore_ascii_case(PROBLEM))
}

/// Whether it is an answer of gRPC, whose status is no word about the call, whatever it is. One that says that it is something else
/// is, whatever a proxy of gRPC has left in its head.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().trim_ascii_start());
    match kind {
        Some(kind) => kind.get(..GRPC.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(GRPC)),
        None => headers.contains_key("grpc-status"),
    }
}

/// The error that an answer stands for which is no success.
pub(super) async fn read(answer: Incomplete, config: &HttpConfig, progress: &CallProgress) -> PluginError {
    let (parts, incoming, lease) = answer.into_parts(progress);
    let gzip = match is_gzip(&parts.headers) {
        Ok(gzip) => gzip,
        Err(_) => return status(config, parts.status, &parts.headers, Body::default()),
    };
    let body = Body::read(&parts.headers, incoming, gzip, config).await;
    if body.is_whole {
        lease.finish();
    }
    status(config, parts.status, &parts.headers, body)
}

/// The answer is not a success: what the plugin said of it, and whether to come back. A code that an answer can have, in a
/// document as RFC 9457 has it, says what was wrong, and so do the statuses that blame the caller.
fn status(config: &HttpConfig, status: StatusCode, headers: &HeaderMap, body: Body) -> PluginError {
    let passes = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    // The number of a success would tell a list `on` less than the code does.
    let tells = !(status.is_success() && (body.said.is_some() || is_grpc(headers)));
    let later = || retry_after::from_http(headers, clock::wall());
    let error = match body.said {
        Some(ProblemBody { code, detail, mut again }) => {
            // The document is more exact than the header, which has whole seconds.
            again.retry_after = again.retry_after.or_else(later);
            plugin_errors::error(code, detail.unwrap_or_else(|| format!("the plugin answered {status}")), again)
        }
        None => {
            let error = match status.is_redirection() {
                true => {
                    let target = config.credentials.hide_in(location(headers));
                    PluginError::new(code(status), redirect(status, &target))
                        .with_message_for_callers(redirect(status, ""))
                }
                false => PluginError::new(code(status), message(config, status, headers)),
            };
            let error = crate::net::fault::with_body(error, status, body.text);
            let again = RetryHint { retryable: Some(passes), retry_after: if passes { later() } else { None } };
            again.apply_to(error)
        }
    };
    if tells { error.with_http_status(status.as_u16()) } else { error }
}

/// The code of a status that came alone.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidPayload,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        _ => Code::HttpTransport,
    }
}

fn message(config: &HttpConfig, status: StatusCode, headers: &HeaderMap) -> String {
    match status {
        status if is_grpc(headers) => {
            format!("the plugin answered {status} in gRPC; is the transport that is right `grpc` (`unix-grpc`)?")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if config.credentials.has_headers() => {
            format!("the plugin does not accept the credentials in `auth` ({status})")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("the plugin asks for credentials, and `auth` has none ({status})")
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            format!("the plugin answered {status}; is the path of the endpoint right?")
        }
        status if status.is_success() => {
            format!("the plugin answered {status} with a problem document whose `code` is none that an answer can have")
        }
        status => format!("the plugin answered {status}"),
    }
}

fn redirect(status: StatusCode, target: &str) -> String {
    format!(
        "the plugin answered {status}{target}; redirects are not followed, so set `endpoint` to where the plugin is"
    )
}

/// A redirect's target without its query and its credentials.
fn location(headers: &HeaderMap) -> String {
    let text = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let text = text.and_then(|text| text.split(['?', '#']).next()).unwrap_or_default();
    if text.is_empty() {
        return String::new();
    }
    let start = text.find("//").map_or(0, |at| at + 2);
    let host = start..text[start..].find('/').map_or(text.len(), |end| start + end);
    let (before, after) = match text[host.clone()].rfind('@') {
        Some(at) => (&text[..start], &text[start + at + 1..]),
        None => ("", text),
    };
    format!(" and points to {:?}", bounded::cut(&format!("{before}{after}"), MAX_LOCATION))
}

/// The body of an answer that is no success.
#[derive(Default)]
struct Body {
    /// As text, where it is text.
    text: Option<String>,
    /// What a problem document says of it.
    said: Option<ProblemBody>,
    /// It was read to its end.
    is_whole: bool,
}

/// The part of a problem document (RFC 9457) that is read, see the server's side.
#[derive(Deserialize)]
struct ProblemFields<'a> {
    code: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    retryable: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "part::raw")]
    retry_after_ms: Option<&'a str>,
}

/// What it says, where its code is one that an answer can have.
pub(super) struct ProblemBody {
    pub(super) code: Code,
    pub(super) detail: Option<String>,
    pub(super) again: RetryHint,
}

impl Body {
    async fn read(headers: &HeaderMap, incoming: Incoming, gzip: bool, config: &HttpConfig) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes()).to_ascii_lowercase();
        let kind = String::from_utf8_lossy(&kind);
        let Ok(bytes) = body::read(incoming, MAX_READ, gzip).await else { return Self::default() };
        let is_readable = kind.starts_with("text/") || kind.contains("json") || kind.is_empty();
        let text = (is_readable && !bytes.is_empty()).then(|| {
            // Before it is cut off, so that no part of a secret is left.
            let text = config.credentials.hide_in(String::from_utf8_lossy(&bytes).into_owned());
            bounded::cut(text.trim(), MAX_DETAIL).to_owned()
        });
        let said = if is_problem(headers) { problem(&bytes, config) } else { None };
        Self { text, said, is_whole: true }
    }
}

pub(super) fn problem(json: &[u8], config: &HttpConfig) -> Option<ProblemBody> {
    let problem: ProblemFields<'_> = read_object(json)?;
    let code = plugin_errors::code(&problem.code)?;
    // The text of a refusal of this family names its code, and so does that of the error.
    let text = problem.detail.map(|text| config.credentials.hide_in(text));
    let text = text.map(|text| bounded::cut(&text.replace(&format!(" ({code})"), ""), MAX_DETAIL).to_owned());
    let again = RetryHint::read(problem.retryable, problem.retry_after_ms);
    Some(ProblemBody { code, detail: text.filter(|text| !text.is_empty()), again })
}

/// A success whose body is no answer that is passed on.
pub(super) fn no_answer(config: &HttpConfig, status: StatusCode, unread: &envelope::EnvelopeUnread) -> PluginError {
    match unread {
        envelope::EnvelopeUnread::Broken(why) => {
            // It may quote what it could not read.
            let why = config.credentials.hide_in(why.to_string());
            let message = format!("the plugin answered {status} with something that is not a JSON envelope: {why}");
            PluginError::new(Code::HttpTransport, message).with_http_status(status.as_u16())
        }
        envelope::EnvelopeUnread::LimitExceeded(beyond) => {
            PluginError::reply_too_large(format!("the plugin's reply is not passed on: {beyond}"))
        }
    }
}
