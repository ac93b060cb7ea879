//! An answer of gRPC: its head, one message at most, and what became of the call.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use hyper::body::Incoming;
use plugin_core::{Code, PluginError};
use prost::Message;

use super::{GrpcConfig, fault};
use crate::{
    grpc::{
        frame,
        status::{GrpcStatus, OK},
    },
    net::{
        body::{self, Unread},
        exchange::Incomplete,
        fault as lost,
        pool::Lease,
        progress::CallProgress,
    },
};

/// What is read of the text of a server that does not speak gRPC: enough to keep the connection, and no more.
const MAX_TEXT: usize = 64 << 10;

/// A call that succeeded: its message, and the connection that it came on, to be [finished](Lease::finish).
pub(super) struct Answered {
    pub(super) message: Bytes,
    pub(super) lease: Lease,
}

/// Why a call did not succeed.
pub(super) enum Unanswered {
    /// The plugin says so.
    Status(GrpcStatus),
    /// There is no answer, or none that can be read.
    Fault(PluginError),
}

impl From<PluginError> for Unanswered {
    fn from(error: PluginError) -> Self {
        Self::Fault(error)
    }
}

impl Unanswered {
    /// The error of the call.
    pub(super) fn into_error(self, config: &GrpcConfig) -> PluginError {
        match self {
            Self::Status(status) => fault::status(config, status),
            Self::Fault(error) => error.with_texts(|said| Some(config.credentials.hide_in(said.to_owned()))),
        }
    }
}

/// Reads an answer to its end, of which the message may have `max` bytes.
pub(super) async fn read(answer: Incomplete, max: usize, progress: &CallProgress) -> Result<Answered, Unanswered> {
    let (head, incoming, lease) = answer.into_parts(progress);
    let status = GrpcStatus::read(&head.headers);
    if status.is_none() && (head.status != StatusCode::OK || !is_grpc(&head.headers)) {
        let text = Box::pin(text(&head.headers, incoming, lease)).await;
        return Err(fault::not_grpc(head.status, &head.headers, text).into());
    }
    let gzip = match head.headers.get("grpc-encoding").map(|coding| coding.as_bytes()) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(coding) => {
            let coding = String::from_utf8_lossy(&coding[..coding.len().min(50)]);
            return Err(
                fault::no_answer(format!("the answer is compressed with {coding:?}, and only gzip is read")).into()
            );
        }
    };
    let read = match frame::read(incoming, max, gzip).await {
        Ok(read) => read,
        Err(error) => return Err(lost::unread(Unread::Broken(error), max, &lease, Code::GrpcTransport).into()),
    };
    // What became of the call is said behind the message, or in the head where there is none.
    match read.trailers.as_ref().and_then(GrpcStatus::read).or(status) {
        Some(Ok(status)) if status.number != OK => {
            if read.message.is_ok() {
                lease.finish();
            }
            Err(Unanswered::Status(status))
        }
        Some(Err(text)) => {
            Err(fault::no_answer(format!("the answer's `grpc-status` is {text:?}, and no number")).into())
        }
        said => match (read.message, said) {
            (Err(fault), _) => Err(fault::of_frame(fault, max).into()),
            (Ok(_), None) => Err(fault::no_answer("the answer ended without a `grpc-status`").into()),
            (Ok(None), Some(_)) => Err(fault::no_answer("the answer has no message, and says that all is well").into()),
            (Ok(Some(message)), Some(_)) => Ok(Answered { message, lease }),
        },
    }
}

/// Reads a message of an answer.
pub(super) fn decode<M: Message + Default>(message: Bytes) -> Result<M, PluginError> {
    M::decode(message).map_err(|error| {
        fault::no_answer("the answer's message is not the one of `plugin.v1` that belongs there").with_source(error)
    })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"))
}

/// What a server says that does not speak gRPC.
async fn text(headers: &HeaderMap, incoming: Incoming, lease: Lease) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_readable = kind.starts_with("text/") || kind.contains("json");
    let bytes = body::read(incoming, MAX_TEXT, false).await.ok()?;
    lease.finish();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    (is_readable && !text.is_empty()).then(|| text.to_owned())
}
