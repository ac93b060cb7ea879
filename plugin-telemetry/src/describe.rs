//! What is recorded of a request besides its outcome.

use tracing::{Span, debug_span, field::Empty};

use plugin_core::{
    Call,
    clock::{self, Instant},
};

/// Opens the span of a request, and says when it began.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot describe a request of type `{Req}`",
    note = "`TelemetryLayer::new(..)` describes any request, and with `.for_calls()` a `plugin_core::Call<_>`; `.describe(..)` takes a `Describe` of your own"
)]
pub trait Describe<Req> {
    /// The span. The fields `status` and `code`, where it has them, are filled in when the call ends.
    fn span(&self, name: &str, request: &Req) -> Span;

    /// When the request began. Unless overridden, now.
    fn started(&self, request: &Req) -> Instant {
        let _ = request;
        clock::now()
    }
}

/// Any request: the span has the service's name.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyRequest;

impl<Req> Describe<Req> for AnyRequest {
    fn span(&self, name: &str, _: &Req) -> Span {
        debug_span!("call", service = name, status = Empty, code = Empty)
    }
}

/// A [`Call`]: the span has the plugin's name, the request's id and the trace's, and the call began when it was
/// received.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByCall;

impl<T> Describe<Call<T>> for ByCall {
    fn span(&self, name: &str, call: &Call<T>) -> Span {
        let context = call.context();
        let span = debug_span!(
            "plugin call",
            plugin = name,
            request_id = %context.request_id(),
            trace_id = Empty,
            status = Empty,
            code = Empty
        );
        if let Some(trace) = context.trace() {
            span.record("trace_id", format_args!("{:032x}", trace.trace_id()));
        }
        span
    }

    fn started(&self, call: &Call<T>) -> Instant {
        call.context().received()
    }
}
