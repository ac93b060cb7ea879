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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Version;
    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::ReplayBody;

    type Body = ReplayBody<Full<Bytes>>;

    const SECOND: Duration = Duration::from_secs(1);

    fn request(method: Method, header: Option<(&'static str, &'static str)>) -> Request<Body> {
        let mut request = Request::new(ReplayBody::new(Full::new(Bytes::from_static(b"text"))));
        *request.method_mut() = method;
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }

    fn limits(idempotent: bool, unsent: Unsent) -> Limits {
        Limits { idempotent, unsent, max_body: 1024 }
    }

    /// Whether it is kept, and what it says of being idempotent.
    fn kept(mut request: Request<Body>, limits: Limits) -> Result<Option<bool>, GaveUp> {
        ByRequest.keep(&mut request, limits).map(|kept| kept.idempotent())
    }

    #[test]
    fn the_context_says_what_may_be_repeated_and_then_the_method_or_a_header_and_then_the_settings() {
        let strict = limits(false, Unsent::None);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE] {
            assert_eq!(kept(request(method.clone(), None), strict), Ok(Some(true)), "{method}");
            let mut denied = request(method.clone(), None);
            let mut context = CallContext::new();
            context.set_idempotent(false);
            denied.extensions_mut().insert(context);
            assert_eq!(kept(denied, limits(true, Unsent::None)), Err(GaveUp::NotIdempotent), "{method}");
        }
        for method in [Method::POST, Method::PATCH, Method::CONNECT] {
            assert_eq!(kept(request(method.clone(), None), strict), Err(GaveUp::NotIdempotent), "{method}");
            assert_eq!(kept(request(method.clone(), None), limits(true, Unsent::None)), Ok(None), "{method}");
            let keyed = request(method.clone(), Some(("idempotency-key", "7")));
            assert_eq!(kept(keyed, strict), Ok(Some(true)), "{method}");
        }
    }

    #[test]
    fn what_may_only_be_made_again_unsent_is_kept_where_that_is_asked_for() {
        let grpc = Some(("content-type", "application/grpc+proto"));
        let not = Err(GaveUp::NotIdempotent);
        for (unsent, of_grpc, of_others) in
            [(Unsent::None, not, not), (Unsent::Grpc, Ok(None), not), (Unsent::All, Ok(None), Ok(None))]
        {
            assert_eq!(kept(request(Method::POST, grpc), limits(false, unsent)), of_grpc, "{unsent:?}");
            assert_eq!(kept(request(Method::POST, None), limits(false, unsent)), of_others, "{unsent:?}");
        }
    }

    #[test]
    fn a_request_that_allows_no_retry_is_not_kept() {
        let mut once = request(Method::GET, None);
        let mut context = CallContext::new();
        context.limit_retries(0);
        once.extensions_mut().insert(context);
        assert_eq!(kept(once, limits(true, Unsent::All)), Err(GaveUp::Attempts));
    }

    #[tokio::test(start_paused = true)]
    async fn another_attempt_has_the_head_its_number_and_the_body_which_it_alone_reads() {
        let mut first = request(Method::POST, Some(("content-type", "application/grpc")));
        *first.version_mut() = Version::HTTP_2;
        first.extensions_mut().insert(CallContext::new());
        let mut kept = ByRequest.keep(&mut first, limits(true, Unsent::None)).expect("it may be repeated");
        let attempt = Attempt { number: 2, at: clock::now(), deadline: None, beside: false };
        let again = kept.again(attempt).expect("it is small");
        assert_eq!((again.method(), again.version()), (&Method::POST, Version::HTTP_2));
        assert_eq!(again.extensions().get().map(CallContext::attempt), Some(2));
        assert_eq!(again.headers()["grpc-previous-rpc-attempts"], "2");
        assert!(first.into_body().collect().await.is_err(), "that attempt was given up");
        assert_eq!(again.into_body().collect().await.expect("readable").to_bytes(), "text");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_counts_of_what_the_context_and_the_head_say() {
        for (in_context, in_head) in [(2, "5S"), (5, "2S")] {
            let mut request = request(Method::GET, Some(("grpc-timeout", in_head)));
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            let started = clock::now();
            request.extensions_mut().insert(CallContext::received_at(started).with_timeout(in_context * SECOND));
            let kept = ByRequest.keep(&mut request, limits(true, Unsent::None)).expect("it may be repeated");
            assert_eq!(kept.deadline(started), Some(started.saturating_add(2 * SECOND)), "{in_context} s, {in_head}");
        }
    }
}
