//! Bodies that are sent again.
#![cfg(all(not(loom), feature = "http"))]

mod common;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use common::{config, ms};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use plugin_core::{BoxError, ByHttpStatus, CallContext, InstanceId, clock, deadline::RequestDeadline};
use plugin_retry::{GaveUp, HedgeConfig, HedgeLayer, RepeatBody, ReplayBody, ReplayBodyLayer, RetryConfig, RetryLayer};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A body of these frames, each of which is pending once before it comes.
struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    is_late: bool,
}

impl Frames {
    fn new(chunks: &[&'static str], trailers: Option<(&'static str, &'static str)>) -> Self {
        let chunks = chunks.iter().map(|chunk| Frame::data(Bytes::from_static(chunk.as_bytes())));
        let trailers = trailers.map(|(name, value)| {
            let mut map = HeaderMap::new();
            map.insert(name, HeaderValue::from_static(value));
            Frame::trailers(map)
        });
        Self { frames: chunks.chain(trailers).collect(), is_late: true }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.is_late, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_late = true;
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

type Wrapped = ReplayBody<Frames>;

fn kept(frames: Frames, max: usize) -> (Wrapped, Option<<Wrapped as RepeatBody>::Kept>) {
    let mut body = ReplayBody::new(frames);
    let kept = body.keep(max);
    (body, kept)
}

async fn text(body: impl Body<Data = Bytes, Error = BoxError>) -> Result<(String, Option<HeaderMap>), BoxError> {
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    Ok((String::from_utf8(body.to_bytes().to_vec())?, trailers))
}

#[tokio::test]
async fn a_body_is_read_again_with_its_trailers() {
    let (first, kept) = kept(Frames::new(&["one ", "two ", "three"], Some(("checksum", "7"))), 1024);
    let kept = kept.expect("small enough");
    let mut body = first;
    for _ in 0..3 {
        let (text, trailers) = text(body).await.expect("readable");
        assert_eq!((text.as_str(), trailers.expect("trailers")["checksum"].as_bytes()), ("one two three", &b"7"[..]));
        body = Wrapped::again(&kept, false).expect("kept");
    }
}

#[tokio::test]
async fn no_byte_of_a_body_is_copied() {
    let bytes = Bytes::from(vec![7_u8; 1000]);
    let mut first = ReplayBody::new(Full::new(bytes.clone()));
    let kept = first.keep(1000);
    let again = ReplayBody::<Full<Bytes>>::again(&kept.expect("small enough"), true).expect("kept");
    for mut body in [first, again] {
        let chunk = body.frame().await.expect("a frame").expect("readable").into_data().expect("data");
        assert_eq!(chunk.as_ptr(), bytes.as_ptr());
    }
}

#[tokio::test]
async fn a_body_above_the_cap_passes_through_and_is_forgotten() {
    let (first, kept) = kept(Frames::new(&["123456", "789012"], None), 69);
    let kept = kept.expect("its size is not known yet");
    let beside = Wrapped::again(&kept, true).expect("nothing was read yet");
    assert_eq!(text(first).await.expect("readable").0, "123456789012");
    assert!(Wrapped::again(&kept, false).is_none());
    let error = text(beside).await.expect_err("it was forgotten");
    assert!(error.to_string().contains("larger than what is kept"), "{error}");

    // Exactly the cap is kept, and a body that says that it is larger is not even begun with.
    let (first, kept) = self::kept(Frames::new(&["12345", "", "67890", ""], None), 69);
    assert_eq!(text(first).await.expect("readable").0, "1234567890");
    assert!(Wrapped::again(&kept.expect("kept"), false).is_some(), "five, 64, and nothing for the empty ones");
    let mut first = ReplayBody::new(Full::new(Bytes::from_static(b"1234567890")));
    let kept = first.keep(10).expect("its length is known");
    assert_eq!(text(first).await.expect("readable").0, "1234567890");
    assert!(ReplayBody::<Full<Bytes>>::again(&kept, false).is_some(), "one chunk of the declared length");
    let mut first = ReplayBody::new(Full::new(Bytes::from_static(b"12345678901")));
    assert!(first.keep(10).is_none());
    assert_eq!(text(first).await.expect("readable").0, "12345678901");
    #[cfg(feature = "axum")]
    {
        let mut first = axum::body::Body::from("12345678901");
        assert!(first.keep(10).is_none());
        assert_eq!(first.collect().await.expect("readable").to_bytes(), "12345678901");
    }
}

#[tokio::test]
async fn a_later_attempt_reads_on_where_the_first_one_stopped_and_cuts_it_off() {
    let (mut first, kept) = kept(Frames::new(&["one ", "two ", "three"], None), 1024);
    let kept = kept.expect("small enough");
    first.frame().await.expect("a frame").expect("readable");
    let second = Wrapped::again(&kept, false).expect("kept");
    let error = first.frame().await.expect("a frame").expect_err("cut off");
    assert!(error.to_string().contains("given up"), "{error}");
    assert_eq!(text(second).await.expect("readable").0, "one two three");
}

#[tokio::test]
async fn two_attempts_read_side_by_side_and_neither_waits_for_ever() {
    for _ in 0..20 {
        let (first, kept) = kept(Frames::new(&["a", "b", "c", "d", "e", "f"], Some(("sum", "1"))), 1024);
        let second = Wrapped::again(&kept.expect("small enough"), true).expect("kept");
        let both = tokio::time::timeout(ms(20_000), async {
            tokio::join!(tokio::spawn(text(first)), tokio::spawn(text(second)))
        });
        let (first, second) = both.await.expect("in time");
        for body in [first, second] {
            let (text, trailers) = body.expect("no panic").expect("readable");
            assert!(text == "abcdef" && trailers.is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_when_the_other_is_dropped_in_the_middle() {
    for _ in 0..50 {
        let (mut first, kept) = kept(Frames::new(&["a", "b", "c"], None), 1024);
        let second = Wrapped::again(&kept.expect("small enough"), true).expect("kept");
        let reading = tokio::spawn(text(second));
        let dropping = tokio::spawn(async move {
            let _ = first.frame().await;
        });
        dropping.await.expect("no panic");
        let text = tokio::time::timeout(ms(20_000), reading).await.expect("in time").expect("no panic");
        assert_eq!(text.expect("readable").0, "abc");
    }
}

/// What a server saw: attempt headers and body.
type Log = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Answers 503 twice, after having read the body, then 200.
async fn flaky<B>(log: Log, request: Request<B>) -> Result<Response<&'static str>, BoxError>
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    let (head, body) = request.into_parts();
    let (text, _) = text(body).await?;
    let mut log = log.lock().expect("unpoisoned");
    log.push((head.headers, text));
    let mut response = Response::new("body");
    *response.status_mut() = if log.len() < 3 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(response)
}

fn instance() -> InstanceId {
    static INSTANCE: std::sync::OnceLock<InstanceId> = std::sync::OnceLock::new();
    *INSTANCE.get_or_init(InstanceId::next)
}

fn put(body: Frames) -> Request<Frames> {
    Request::builder().method(Method::PUT).uri("/item").header("x-key", "7").body(body).expect("valid")
}

#[tokio::test(start_paused = true)]
async fn a_put_is_repeated_with_head_and_body_and_a_post_is_not() {
    let log = Log::default();
    let layer = RetryLayer::new(RetryConfig::default()).for_http();
    let stack = || {
        ServiceBuilder::new().layer(ReplayBodyLayer).layer(layer.clone()).service(service_fn({
            let log = Arc::clone(&log);
            move |request| flaky(Arc::clone(&log), request)
        }))
    };
    let response = stack().oneshot(put(Frames::new(&["half ", "half"], None))).await.expect("an answer");
    assert_eq!(response.status(), 200);
    {
        let log = log.lock().expect("unpoisoned");
        assert_eq!(log.len(), 3);
        assert!(log.iter().all(|(headers, body)| headers["x-key"] == "7" && body == "half half"));
    }
    log.lock().expect("unpoisoned").clear();
    let mut post = put(Frames::new(&["half ", "half"], None));
    *post.method_mut() = Method::POST;
    assert_eq!(stack().oneshot(post).await.expect("an answer").status(), 503);
    assert_eq!(layer.handle().stats().gave_up(GaveUp::NotIdempotent), 1);

    log.lock().expect("unpoisoned").clear();
    let mut keyed = put(Frames::new(&["half ", "half"], None));
    *keyed.method_mut() = Method::POST;
    keyed.headers_mut().insert("idempotency-key", HeaderValue::from_static("k1"));
    assert_eq!(stack().oneshot(keyed).await.expect("an answer").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_not_sent_is_repeated_where_the_settings_keep_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let refusing = service_fn(move |_: Request<Full<Bytes>>| {
        let refuses = counted.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        async move {
            if refuses {
                return Err(BoxError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
            }
            Ok(Response::new(()))
        }
    });
    let post = || Request::post("/").body(Full::new(Bytes::from_static(b"once"))).expect("valid");
    let keeping = RetryLayer::new(config(|set| set.with_unsent(true))).for_http();
    tower::Layer::layer(&keeping, refusing.clone()).oneshot(post()).await.expect("nothing was sent");
    let usual = RetryLayer::new(RetryConfig::default()).for_http();
    tower::Layer::layer(&usual, refusing).oneshot(post()).await.expect_err("nothing was kept");
}

#[tokio::test(start_paused = true)]
async fn a_body_above_the_cap_is_sent_once() {
    let log = Log::default();
    let layer = RetryLayer::new(config(|set| set.with_max_body(4))).for_http();
    let stack = ServiceBuilder::new().layer(ReplayBodyLayer).layer(layer.clone()).service(service_fn({
        let log = Arc::clone(&log);
        move |request| flaky(Arc::clone(&log), request)
    }));
    assert_eq!(stack.oneshot(put(Frames::new(&["half ", "half"], None))).await.expect("an answer").status(), 503);
    assert_eq!(log.lock().expect("unpoisoned").len(), 1);
    assert_eq!(layer.handle().stats().gave_up(GaveUp::NotKept), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_what_time_is_left_and_which_instances_were_tried() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let timeout = request.headers().get("x-request-timeout").cloned();
        let tried = request.extensions().get::<CallContext>().map(|context| context.tried().to_vec());
        log.lock().expect("unpoisoned").push((timeout, tried));
        async {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response.extensions_mut().insert(instance());
            Ok::<_, Infallible>(response)
        }
    });
    let layer = RetryLayer::new(config(|set| set.with_constant_interval(ms(100)))).classify(ByHttpStatus::new());
    let mut request = Request::get("/").body(Full::new(Bytes::new())).expect("valid");
    request.extensions_mut().insert(RequestDeadline::after(ms(250), clock::now()));
    let start = clock::now();
    let response = tower::Layer::layer(&layer, service).oneshot(request).await.expect("infallible");
    // The third attempt would begin at 200 ms of 250, the fourth after the deadline.
    assert_eq!((response.status().as_u16(), start.elapsed()), (502, ms(200)));
    let seen = seen.lock().expect("unpoisoned");
    let timeouts: Vec<_> = seen.iter().map(|(timeout, _)| timeout.as_ref().map(|value| value.as_bytes())).collect();
    assert_eq!(timeouts, [None, Some(&b"150ms"[..]), Some(&b"50ms"[..])]);
    assert_eq!(seen[1].1, Some(vec![instance()]));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_sends_the_body_beside_the_first_attempt() {
    let calls = Arc::new(AtomicUsize::new(0));
    let service = service_fn(move |request: Request<ReplayBody<Frames>>| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let mut body = request.into_body();
            if is_first {
                // It reads a frame, and then nothing more for a while.
                let _ = body.frame().await;
                tokio::time::sleep(ms(60_000)).await;
            }
            Ok::<_, BoxError>(Response::new(text(body).await?.0))
        }
    });
    let hedging = HedgeLayer::new(HedgeConfig::builder().with_delay(ms(50)).build().expect("in bounds")).for_http();
    let stack = ServiceBuilder::new().layer(ReplayBodyLayer).layer(hedging).service(service);
    let response = stack.oneshot(put(Frames::new(&["one ", "two"], None))).await.expect("an answer");
    assert_eq!(response.into_body(), "one two");
}

/// A hundred chunks of a thousand bytes, of no declared length.
fn large() -> Frames {
    static CHUNK: [u8; 1000] = [b'x'; 1000];
    let chunk = std::str::from_utf8(&CHUNK).expect("ASCII");
    Frames::new(&[chunk; 100], None)
}

#[tokio::test(start_paused = true)]
async fn past_the_cap_the_slow_first_attempt_goes_on_and_the_hedge_that_was_ahead_stops() {
    for (first_reads, expected) in [(true, 200), (false, 201)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let service = service_fn(move |request: Request<ReplayBody<Frames>>| {
            let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if is_first && !first_reads {
                    std::future::pending::<()>().await;
                }
                let (mut body, mut bytes) = (request.into_body(), 0);
                while let Some(frame) = body.frame().await {
                    bytes += frame?.into_data().expect("data").len();
                    if is_first {
                        tokio::time::sleep(ms(4)).await;
                    }
                }
                assert_eq!(bytes, 100_000, "every byte, once");
                let status = if is_first { 200 } else { 201 };
                Ok::<_, BoxError>(Response::builder().status(status).body(()).expect("valid"))
            }
        });
        let hedging = HedgeLayer::new(HedgeConfig::builder().with_delay(ms(50)).build().expect("in bounds")).for_http();
        let stack = ServiceBuilder::new().layer(ReplayBodyLayer).layer(hedging).service(service);
        let answered = tokio::time::timeout(ms(60_000), stack.oneshot(put(large()))).await.expect("in time");
        assert_eq!(answered.expect("one goes on").status(), expected, "the first reads: {first_reads}");
    }
}

#[tokio::test]
async fn a_body_of_tiny_chunks_is_held_within_the_cap() {
    for (chunk, kept_after) in [("", true), ("x", false)] {
        let (first, kept) = kept(Frames::new(&vec![chunk; 20_000], None), 64 * 1024);
        text(first).await.expect("readable");
        assert_eq!(Wrapped::again(&kept.expect("kept"), false).is_some(), kept_after, "{chunk:?}");
    }
}

#[tokio::test]
async fn a_body_with_trailers_declares_no_exact_length_when_it_is_sent_again() {
    for (trailers, exact) in [(Some(("checksum", "7")), None), (None, Some(6))] {
        let (first, kept) = kept(Frames::new(&["one", "two"], trailers), 1024);
        text(first).await.expect("readable");
        let mut again = Wrapped::again(&kept.expect("kept"), false).expect("kept");
        assert_eq!(again.size_hint().exact(), exact, "HTTP/1.1 would leave the trailers out");
        assert_eq!(again.size_hint().lower(), 6);
        again.frame().await.expect("a frame").expect("readable");
        assert_eq!(again.size_hint().exact(), exact.map(|left: u64| left - 3));
    }
}
