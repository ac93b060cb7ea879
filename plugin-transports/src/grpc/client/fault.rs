//! What an answer that is no reply means.

use http::{HeaderMap, StatusCode};
use plugin_core::{Code, PluginError, classify::retry_after, clock};

use super::GrpcConfig;
use crate::{
    grpc::{
        frame::FrameFault,
        proto, rich,
        status::{
            CANCELLED, DEADLINE_EXCEEDED, GrpcStatus, INVALID_ARGUMENT, OUT_OF_RANGE, PERMISSION_DENIED,
            RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN, name,
        },
    },
    wire::{
        bounded::{self, quoted},
        plugin_errors,
        retry_hint::RetryHint,
    },
};

/// Something that is no answer of gRPC.
pub(super) fn no_answer(problem: impl Into<std::borrow::Cow<'static, str>>) -> PluginError {
    PluginError::new(Code::GrpcTransport, problem)
}

/// The error that a status stands for. A code in its details that an answer can have says what was wrong, and so does a number
/// that blames the caller.
pub(super) fn status(config: &GrpcConfig, mut status: GrpcStatus) -> PluginError {
    let details = rich::read(&status);
    status.message = config.credentials.hide_in(status.message);
    let number = status.number;
    let says = |status: GrpcStatus| match status.message {
        text if text.is_empty() => format!("the plugin answered {}", name(number)),
        text => text,
    };
    let error = match details.code {
        Some(code) => plugin_errors::error(code, says(status), details.again),
        None => {
            // As the judgement of the number has it: no room is worth another attempt where the plugin says when.
            let retryable = match number {
                UNAVAILABLE => true,
                RESOURCE_EXHAUSTED => details.again.retry_after.is_some(),
                _ => false,
            };
            let again = RetryHint { retryable: details.again.retryable.or(Some(retryable)), ..details.again };
            let code = code(&status);
            again.apply_to(PluginError::new(code, message(config, code, status)))
        }
    };
    let error = error.with_grpc_status(number);
    match details.detail {
        Some(detail) => error.with_detail(config.credentials.hide_in(detail)),
        None => error,
    }
}

/// The code of a status that came alone.
fn code(status: &GrpcStatus) -> Code {
    match status.number {
        UNKNOWN => Code::ExecutionFailed,
        INVALID_ARGUMENT => Code::InvalidPayload,
        DEADLINE_EXCEEDED => Code::Timeout,
        RESOURCE_EXHAUSTED | OUT_OF_RANGE if is_of_size(&status.message) => Code::PayloadTooLarge,
        RESOURCE_EXHAUSTED => Code::ConcurrencyExceeded,
        _ => Code::GrpcTransport,
    }
}

/// Whether a library, and not the plugin, has refused the request for its size. They have no code for it: gRPC in C, Java, Go and
/// JavaScript say "received message larger than max", and tonic "decoded message length too large".
fn is_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("message larger than max") || message.contains("message length too large")
}

fn message(config: &GrpcConfig, code: Code, status: GrpcStatus) -> String {
    let said = if status.message.is_empty() { String::new() } else { format!(": {}", status.message) };
    match status.number {
        UNAUTHENTICATED | PERMISSION_DENIED if config.credentials.has_headers() => {
            format!("the plugin does not accept the credentials in `auth` ({}){said}", name(status.number))
        }
        UNAUTHENTICATED | PERMISSION_DENIED => {
            format!("the plugin asks for credentials, and `auth` has none ({}){said}", name(status.number))
        }
        UNIMPLEMENTED => {
            format!("the server has no {}/Execute, which a plugin serves (UNIMPLEMENTED){said}", proto::SERVICE)
        }
        CANCELLED => format!("the plugin cancelled the call{said}"),
        _ if code != Code::GrpcTransport && !status.message.is_empty() => status.message,
        number => format!("the plugin answered {}{said}", name(number)),
    }
}

/// An answer without a status of gRPC, which is that of a proxy, or of a server that does not speak gRPC.
pub(super) fn not_grpc(status: StatusCode, headers: &HeaderMap, text: Option<String>) -> PluginError {
    let passes = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let later = if passes { retry_after::from_http(headers, clock::wall()) } else { None };
    let again = RetryHint { retryable: Some(passes), retry_after: later };
    let problem = match status {
        StatusCode::OK => {
            let kind = headers.get(http::header::CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
            let kind =
                kind.map_or_else(|| "no content-type".to_owned(), |kind| format!("the content-type {}", quoted(&kind)));
            format!("the answer has {kind}, and one of gRPC has application/grpc")
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            format!("the server answered {status}, which is HTTP and not gRPC; is it a server of gRPC?")
        }
        status => format!("the server answered {status}, which is HTTP and not gRPC"),
    };
    let error = again.apply_to(no_answer(problem));
    let error = if status.is_success() { error } else { error.with_http_status(status.as_u16()) };
    crate::net::fault::with_body(error, status, text.map(bounded::text))
}

/// An answer that says that all is well, and has something else than one message.
pub(super) fn of_frame(fault: FrameFault, max: usize) -> PluginError {
    match fault {
        FrameFault::TooLarge(length) => {
            let longer = length.map_or_else(|| "is longer".to_owned(), |length| format!("has {length} bytes, more"));
            PluginError::reply_too_large(format!(
                "the plugin's answer {longer} than `max_response`, which is {max} bytes"
            ))
        }
        FrameFault::Truncated { missing } => no_answer(format!("the plugin's answer ends {missing} bytes too early")),
        FrameFault::More => no_answer("the plugin's answer has more than its one message"),
        FrameFault::Flag(flag) => no_answer(format!("the plugin's answer begins with {flag}, and not with 0 or 1")),
        FrameFault::Unannounced => no_answer("the plugin's answer is compressed, and no `grpc-encoding` says how"),
        FrameFault::NotGzip(error) => {
            no_answer("the plugin's answer says that it is gzip, and is not").with_source(error)
        }
    }
}
