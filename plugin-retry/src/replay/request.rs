//! Repeating an `http::Request`.

use http::{HeaderMap, HeaderValue, Method, Request, header::CONTENT_TYPE};
use plugin_core::{
    CallContext, InstanceId,
    clock::{self, Instant},
    deadline::Deadlined,
};

use super::{Attempt, ByRequest, Kept, Limits, RepeatBody, Replay, Unsent};
use crate::GaveUp;

/// The head is cloned once, and only for a request that may be repeated: its method is GET, HEAD, OPTIONS, TRACE, PUT or
/// DELETE (RFC 9110, 9.2.2), it has an `Idempotency-Key`, its [`CallContext`] extension says so, or the settings do; or, by
/// a retry, for a gRPC call, which is made again when nothing of it was sent. The bytes of the body are never copied.
impl<B: RepeatBody> Replay<Request<B>> for ByRequest {
    type Kept = KeptRequest<B>;

    fn started(&self, _: &Request<B>) -> Instant {
        clock::now()
    }

    fn keep(&self, request: &mut Request<B>, limits: Limits) -> Result<KeptRequest<B>, GaveUp> {
        let context = request.extensions().get::<CallContext>();
        if context.and_then(CallContext::max_retries) == Some(0) {
            return Err(GaveUp::Attempts);
        }
        let idempotent = context.and_then(CallContext::idempotent).or_else(|| says_idempotent(request));
        let is_kept = idempotent.unwrap_or(limits.idempotent)
            || match limits.unsent {
                Unsent::None => false,
                Unsent::Grpc => is_grpc(request.headers()),
                Unsent::All => true,
            };
        if !is_kept {
            return Err(GaveUp::NotIdempotent);
        }
        let body = request.body_mut().keep(limits.max_body).ok_or(GaveUp::NotKept)?;
        Ok(KeptRequest { head: clone_head(request), body, idempotent })
    }
}

fn clone_head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    *head.version_mut() = request.version();
    head.headers_mut().clone_from(request.headers());
    head.extensions_mut().clone_from(request.extensions());
    head
}

fn says_idempotent<B>(request: &Request<B>) -> Option<bool> {
    let by_method = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    (by_method || request.headers().contains_key("idempotency-key")).then_some(true)
}

/// The head and the body of a request that are kept for another attempt.
pub struct KeptRequest<B: RepeatBody> {
    head: Request<()>,
    body: B::Kept,
    idempotent: Option<bool>,
}

impl<B: RepeatBody> KeptRequest<B> {
    fn context(&self) -> Option<&CallContext> {
        self.head.extensions().get()
    }
}

impl<B: RepeatBody> Kept<Request<B>> for KeptRequest<B> {
    fn idempotent(&self) -> Option<bool> {
        self.idempotent
    }

    fn max_retries(&self) -> Option<u16> {
        self.context().and_then(CallContext::max_retries)
    }

    fn deadline(&self, started: Instant) -> Option<Instant> {
        let by_context = self.context().and_then(CallContext::deadline);
        let by_head = self.head.deadline(started);
        by_context.into_iter().chain(by_head).min()
    }

    fn note_failure(&mut self, instance: InstanceId) {
        self.head.extensions_mut().get_or_insert_with(CallContext::new).add_tried(instance);
    }

    fn again(&mut self, attempt: Attempt) -> Option<Request<B>> {
        let body = B::again(&self.body, attempt.beside)?;
        let mut request = self.head.clone().map(|()| body);
        if let Some(context) = request.extensions_mut().get_mut::<CallContext>() {
            context.set_attempt(attempt.number);
        }
        if is_grpc(request.headers()) {
            // gRFC A6: how many attempts went before this one.
            request.headers_mut().insert("grpc-previous-rpc-attempts", HeaderValue::from(attempt.number));
        }
        if let Some(deadline) = attempt.deadline {
            // The header must say what is left now, not what was left at the first attempt.
            request.set_deadline(deadline, attempt.at);
        }
        Some(request)
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

impl<B: RepeatBody> std::fmt::Debug for KeptRequest<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptRequest").field("method", self.head.method()).finish_non_exhaustive()
    }
}
