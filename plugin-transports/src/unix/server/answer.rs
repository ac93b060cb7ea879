//! From a request to its reply.

use std::{collections::BTreeMap, io::Cursor, panic::AssertUnwindSafe};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use plugin_core::{
    Call, Code, HealthState, HealthStatus, Plugin, PluginError, Reply,
    clock::{self, Instant},
};
use serde_json::Value;

use super::{
    super::{
        reply::Named,
        request::{Around, MessageType, NoRequest, Request},
    },
    options::UnixServerOptions,
};
use crate::{
    auth,
    listen::PeerCredentials,
    wire::{call_served, introduction, json_writer::single_line, retry_hint::RetryHint},
};

/// A line to write.
#[derive(Debug)]
pub(super) struct Line {
    before: Vec<u8>,
    data: Bytes,
    behind: Vec<u8>,
    /// The connection is closed after it.
    pub(super) is_last: bool,
}

impl Line {
    fn around(around: Around, data: Bytes) -> Self {
        Self { before: around.before, data, behind: around.behind, is_last: false }
    }

    /// The bytes that are to be written.
    pub(super) fn into_buf(self) -> impl Buf {
        Cursor::new(self.before).chain(self.data).chain(Cursor::new(self.behind))
    }

    pub(super) fn last(self) -> Self {
        Self { is_last: true, ..self }
    }
}

impl From<Vec<u8>> for Line {
    fn from(line: Vec<u8>) -> Self {
        Self { before: line, data: Bytes::new(), behind: Vec::new(), is_last: false }
    }
}

/// The answer to a line that is no request.
pub(super) fn refused(fault: NoRequest) -> Line {
    // What has no type has no type in its answer either.
    let kind = fault.kind.filter(|kind| kind.starts_with(b"\"")).unwrap_or_else(|| Bytes::from_static(b"\"\""));
    let text = format!("not a request: {}", fault.problem);
    Named { kind, id: fault.id }.error(Code::InvalidPayload, &text, RetryHint::default(), None).into()
}

/// The answer to a request whose line never came to its end.
pub(super) fn broken(code: Code, text: &str) -> Line {
    let named = Named { kind: Bytes::from_static(b"\"\""), id: Default::default() };
    Line::from(named.error(code, text, RetryHint::default(), None)).last()
}

/// Answers a request of this peer that came at this moment.
pub(super) async fn answer<S: Plugin<Bytes, Bytes>>(
    plugin: S,
    options: &UnixServerOptions,
    peer: PeerCredentials,
    mut request: Request,
    received: Instant,
) -> Line {
    let named = Named::new(request.kind, request.id.clone());
    if request.kind == MessageType::Ping {
        return named.yes().into();
    }
    if let Some(verifier) = &options.verifier {
        if verifier.verify(&request.headers).is_none() {
            let code = Code::Unauthenticated;
            let text = format!("credentials are missing or wrong ({code})");
            return named.error(code, &text, RetryHint::default(), None).into();
        }
        auth::take_credentials(&mut request.headers);
    }
    match request.kind {
        MessageType::Ping => named.yes().into(),
        MessageType::Info => {
            let info = Value::Object(introduction::info_object(&options.info)).to_string();
            Line::around(named.result(&BTreeMap::new()), info.into())
        }
        MessageType::Health => health(&named, &health_of(options, &request).await),
        MessageType::Execute => {
            let mut context = request.context(received);
            context.set_extension(peer);
            let ends = context.deadline();
            let result = call_served::answer(plugin, Call::with_context(context, request.data)).await;
            let is_late = matches!(&result, Err(error) if error.code() == Code::Timeout)
                && ends.is_some_and(|ends| ends <= clock::now());
            let line = executed(&named, result);
            // A host that gave the call up by its own clock may be about to use the connection again, and would take this for
            // the answer to what it sends next.
            if is_late { line.last() } else { line }
        }
    }
}

fn executed(named: &Named, result: Result<Reply<Bytes>, PluginError>) -> Line {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            let message = error.message_for_callers();
            return named.error(error.code(), message, RetryHint::of_error(&error), None).into();
        }
    };
    let around = named.result(reply.metadata());
    let flat = match single_line(reply.payload()) {
        Ok(std::borrow::Cow::Owned(flat)) => Some(Bytes::from(flat)),
        Ok(std::borrow::Cow::Borrowed(_)) => None,
        Err(flaw) => {
            let text = format!("the plugin's result cannot be sent: {flaw}");
            return named.error(Code::ExecutionFailed, &text, RetryHint::default(), None).into();
        }
    };
    Line::around(around, flat.unwrap_or_else(|| reply.into_payload()))
}

async fn health_of(options: &UnixServerOptions, request: &Request) -> HealthStatus {
    let (limit, begun) = (request.timeout.unwrap_or(std::time::Duration::MAX), clock::now());
    let asked = AssertUnwindSafe(async { (options.health)().await }).catch_unwind();
    let reported = tokio::time::timeout(limit, asked).await.ok();
    let reported = reported.map(|said| said.unwrap_or_else(|_| HealthStatus::unhealthy("the plugin panicked")));
    HealthStatus::within(limit, reported, begun.elapsed())
}

/// Only a plugin that is well says that the request succeeded: what says no is degraded for go-plugins, and `data` has how it
/// is.
fn health(named: &Named, status: &HealthStatus) -> Line {
    let said = introduction::health_json(status);
    if status.state == HealthState::Healthy {
        return Line::around(named.result(&BTreeMap::new()), said.into());
    }
    let text = if status.message.is_empty() { status.state.as_str() } else { &status.message };
    named.error(Code::ExecutionFailed, text, RetryHint::default(), Some(&said)).into()
}
