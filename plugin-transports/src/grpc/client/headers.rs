//! The metadata of a request.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use plugin_core::{CallContext, deadline::format_grpc_timeout};

use super::GrpcConfig;
use crate::wire::header_names::{GRPC_TIMEOUT, TRACEPARENT, TRACESTATE};

/// What every request to the plugin has, the credentials among it.
pub(super) fn base(config: &GrpcConfig) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    config.credentials.apply(&mut headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.entry(header::USER_AGENT).or_insert_with(|| config.user_agent.clone());
    if !config.connection.disable_compression() {
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
    }
    headers
}

/// With the time that is left.
pub(super) fn with_timeout(base: &HeaderMap, left: Duration) -> HeaderMap {
    let mut headers = base.clone();
    if let Ok(value) = HeaderValue::try_from(format_grpc_timeout(left)) {
        headers.insert(GRPC_TIMEOUT, value);
    }
    headers
}

/// With the trace that the call belongs to besides.
pub(super) fn of_call(base: &HeaderMap, context: &CallContext, left: Duration) -> HeaderMap {
    let mut headers = with_timeout(base, left);
    let Some(trace) = context.trace() else { return headers };
    if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
        headers.insert(TRACEPARENT, value);
    }
    if let Some(state) = trace.state().and_then(|state| HeaderValue::try_from(state).ok()) {
        headers.insert(TRACESTATE, state);
    }
    headers
}
