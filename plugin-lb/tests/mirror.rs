//! A mirror, whatever it does, costs the caller nothing, and is bounded.

mod common;

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::poll_at_most;
use plugin_core::{BoxError, Call, PluginError, Reply, clock};
use plugin_lb::{MIRRORED, MirrorConfig, MirrorHandle, MirrorLayer};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn config(percent: f64, max_in_flight: usize) -> MirrorConfig {
    MirrorConfig::builder().with_percent(percent).with_max_in_flight(max_in_flight).build().expect("valid")
}

/// What a mirror does with its copies.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer,
    AnswerAfter(Duration),
    Fail,
    Panic,
    PanicInCall,
    Hang,
    NeverReady,
}

/// Counts the copies that are in it now, and the most at once.
#[derive(Clone)]
struct MirrorOf {
    does: Does,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl MirrorOf {
    fn new(does: Does) -> Self {
        Self { does, now: Arc::default(), most: Arc::default() }
    }
}

struct In(Arc<AtomicUsize>);

impl Drop for In {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service<u32> for MirrorOf {
    type Response = u32;
    type Error = BoxError;
    type Future = plugin_core::BoxFuture<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        if let Does::NeverReady = self.does { std::task::Poll::Pending } else { std::task::Poll::Ready(Ok(())) }
    }

    fn call(&mut self, n: u32) -> Self::Future {
        if let Does::PanicInCall = self.does {
            panic!("as asked");
        }
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let (does, inside) = (self.does, In(Arc::clone(&self.now)));
        Box::pin(async move {
            let _inside = inside;
            match does {
                Does::AnswerAfter(time) => tokio::time::sleep(time).await,
                Does::Fail => return Err("as asked".into()),
                Does::Panic => panic!("as asked"),
                Does::Hang => pending().await,
                _ => {}
            }
            Ok(n)
        })
    }
}

/// The first service: answers after this time.
fn first(time: Duration) -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone + Send {
    service_fn(move |n: u32| async move {
        tokio::time::sleep(time).await;
        Ok::<_, BoxError>(n + 1)
    })
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_are_answered_as_without_a_mirror_whatever_that_does_and_copies_stay_bounded() {
    let millisecond = Duration::from_millis(1);
    for does in [
        Does::Answer,
        Does::AnswerAfter(3 * SECOND),
        Does::Fail,
        Does::Panic,
        Does::PanicInCall,
        Does::Hang,
        Does::NeverReady,
    ] {
        let mirror = MirrorOf::new(does);
        let layer = MirrorLayer::new(config(100.0, 7), mirror.clone());
        let (service, handle) = (layer.layer(first(millisecond)), layer.handle());
        let began = clock::now();
        let calls = (0..10_000).map(|n| {
            let service = service.clone();
            tokio::spawn(async move { service.oneshot(n).await.expect("the first service's answer") })
        });
        for (n, call) in (0..).zip(calls.collect::<Vec<_>>()) {
            assert_eq!(call.await.expect("no panic"), n + 1);
        }
        // Tokio's timers are of a millisecond.
        assert!(began.elapsed() <= 2 * millisecond, "{does:?}: {:?}", began.elapsed());
        assert!(mirror.most.load(Ordering::SeqCst) <= 7, "{does:?}");
        let stats = handle.stats();
        assert_eq!(stats.mirrored + stats.dropped, 10_000, "{does:?}: {stats:?}");
        assert!(stats.in_flight <= 7, "{does:?}: {stats:?}");

        tokio::time::timeout(11 * SECOND, handle.idle()).await.expect("each copy has its timeout");
        let stats = handle.stats();
        assert_eq!((stats.in_flight, mirror.now.load(Ordering::SeqCst)), (0, 0), "{does:?}");
        assert!(stats.mirrored >= 7, "{does:?}: {stats:?}");
        let expected = match does {
            Does::Answer | Does::AnswerAfter(_) => (stats.mirrored, 0),
            _ => (0, stats.mirrored),
        };
        assert_eq!((stats.succeeded, stats.failed), expected, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_goes_on_without_its_caller_until_its_own_timeout() {
    for (does, is_answered) in [(Does::AnswerAfter(2 * SECOND), true), (Does::Hang, false)] {
        let layer = MirrorLayer::new(MirrorConfig::default(), MirrorOf::new(does));
        let (mut service, handle) = (layer.layer(first(5 * SECOND)), layer.handle());
        assert!(!poll_at_most(service.call(1), 2).await, "the caller goes away");
        assert_eq!(handle.stats().in_flight, 1);
        let began = clock::now();
        handle.idle().await;
        let stats = handle.stats();
        assert_eq!((stats.succeeded, stats.failed), (u64::from(is_answered), u64::from(!is_answered)));
        let took = began.elapsed();
        let bound = if is_answered { 2 * SECOND } else { 10 * SECOND };
        assert!(took <= bound + Duration::from_millis(2), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_call_says_so_and_has_no_more_time_than_its_call() {
    let seen: Arc<Mutex<Vec<Call<u32>>>> = Arc::default();
    let mirror = {
        let seen = Arc::clone(&seen);
        service_fn(move |call: Call<u32>| {
            seen.lock().expect("unpoisoned").push(call);
            pending::<Result<Reply<u32>, PluginError>>()
        })
    };
    let echo = service_fn(|call: Call<u32>| async move {
        assert_eq!(call.context().metadata(), None, "the call itself is as it was");
        Ok::<_, PluginError>(Reply::new(call.into_payload()))
    });
    let layer = MirrorLayer::new(MirrorConfig::default(), mirror).for_calls();
    let mut call = Call::new(7).with_timeout(3 * SECOND);
    call.context_mut().headers_mut().insert("idempotency-key", "17".parse().expect("a value"));
    let id = call.context().request_id().to_string();
    layer.layer(echo).oneshot(call).await.expect("an answer");

    let began = clock::now();
    layer.handle().idle().await;
    assert!(began.elapsed() <= 3 * SECOND + Duration::from_millis(2), "{:?}", began.elapsed());
    assert_eq!(layer.handle().stats().failed, 1);
    let seen = seen.lock().expect("unpoisoned");
    let context = seen[0].context();
    assert_eq!(context.metadata().and_then(|all| all.get(MIRRORED)).map(String::as_str), Some("1"));
    assert_eq!((context.headers(), context.request_id().to_string()), (None, id));
}

#[tokio::test]
async fn the_share_can_be_changed_and_switched_while_calls_go_on() {
    let layer = MirrorLayer::new(config(10.0, 1_000), MirrorOf::new(Does::Answer));
    let (service, handle) = (layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) })), layer.handle());
    let mirrored = async |calls: u32| {
        let before = handle.stats().mirrored;
        for n in 0..calls {
            service.clone().oneshot(n).await.expect("an answer");
        }
        handle.stats().mirrored - before
    };
    assert_eq!(mirrored(1_000).await, 100);
    handle.reconfigure(config(0.0, 1_000));
    assert_eq!(mirrored(1_000).await, 0);
    handle.reconfigure(config(33.3, 1_000));
    assert_eq!(mirrored(1_000).await, 333);
    handle.disable();
    assert_eq!((mirrored(100).await, handle.is_enabled()), (0, false));
    handle.enable();
    assert_eq!(mirrored(1_000).await, 333);
    assert_eq!(handle.config(), config(33.3, 1_000));
    handle.idle().await;
    assert_eq!(handle.stats().succeeded, handle.stats().mirrored);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_calls_in_a_row_have_the_share_to_less_than_one(hundredths in 0_u32..=10_000, calls in 1_u32..3_000) {
        let percent = f64::from(hundredths) / 100.0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mirrored = runtime.block_on(async {
            let layer = MirrorLayer::new(config(percent, 1_000_000), MirrorOf::new(Does::Hang));
            let service = layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
            for n in 0..calls {
                service.clone().oneshot(n).await.expect("an answer");
            }
            layer.handle().stats().mirrored
        });
        let share = percent / 100.0 * f64::from(calls);
        prop_assert!((mirrored as f64 - share).abs() < 1.0, "{mirrored} of {calls}, and {percent} percent are {share}");
    }
}

#[tokio::test]
async fn what_cannot_be_copied_or_panics_while_it_is_copied_is_answered_and_counted() {
    let layer = MirrorLayer::new(MirrorConfig::default(), MirrorOf::new(Does::Answer));
    let layer = layer.copy_with(|n: &u32| match n {
        0 => None,
        1 => panic!("as asked"),
        n => Some(*n),
    });
    let service = layer.layer(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    for n in 0..5 {
        assert_eq!(service.clone().oneshot(n).await.expect("an answer"), n);
    }
    layer.handle().idle().await;
    let stats = layer.handle().stats();
    assert_eq!((stats.mirrored, stats.dropped, stats.succeeded, stats.in_flight), (3, 2, 3, 0));
}

#[test]
fn without_a_runtime_there_are_no_copies_and_one_of_its_own_can_be_given() {
    let call = |layer: &MirrorLayer<MirrorOf>| {
        let mut service = layer.layer(service_fn(|n: u32| std::future::ready(Ok::<_, BoxError>(n))));
        assert_eq!(tokio_test::block_on(async { 1 }), 1);
        let mut future = service.call(7);
        let polled =
            std::pin::Pin::new(&mut future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(polled, std::task::Poll::Ready(Ok(7))));
    };
    let layer = MirrorLayer::new(MirrorConfig::default(), MirrorOf::new(Does::Answer));
    call(&layer);
    assert_eq!((layer.handle().stats().mirrored, layer.handle().stats().dropped), (0, 1));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let layer = layer.on_runtime(runtime.handle().clone());
    call(&layer);
    runtime.block_on(layer.handle().idle());
    assert_eq!(layer.handle().stats().succeeded, 1);
    call(&layer);
    // A copy that ends with its runtime has neither succeeded nor failed.
    drop(runtime);
    let stats = layer.handle().stats();
    assert_eq!((stats.mirrored, stats.succeeded, stats.failed, stats.in_flight), (2, 1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_before_its_copy_is_made_leaves_no_place_taken() {
    let layer = MirrorLayer::new(MirrorConfig::default(), MirrorOf::new(Does::Hang));
    let panics = service_fn(|n: u32| {
        assert_ne!(n, 1, "as asked");
        std::future::ready(Ok::<_, BoxError>(n))
    });
    let service = layer.layer(panics);
    let call = tokio::spawn(service.oneshot(1));
    assert!(call.await.expect_err("it panics").is_panic());
    assert_eq!((layer.handle().stats().in_flight, layer.handle().stats().mirrored), (0, 0));
}

#[test]
fn a_mirror_can_be_shared_and_shown() {
    static_assertions::assert_impl_all!(MirrorLayer<MirrorOf>: Clone, Send, Sync, std::fmt::Debug);
    static_assertions::assert_impl_all!(MirrorHandle: Clone, Send, Sync, std::fmt::Debug);
    let layer = MirrorLayer::new(MirrorConfig::default(), ());
    assert!(format!("{layer:?}").contains("enabled: true"));
}

#[cfg(feature = "http")]
mod http {
    use ::http::{HeaderMap, Request, StatusCode};
    use axum::{Router, extract::State, routing::post};
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use plugin_core::BoxErrorLayer;
    use tokio::sync::mpsc;

    use super::*;

    async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        format!("http://{address}/orders")
    }

    /// A client whose requests all go to this address.
    fn client(
        uri: String,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = ::http::Response<hyper::body::Incoming>,
        Error = BoxError,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static {
        let client = BoxErrorLayer.layer(Client::builder(TokioExecutor::new()).build_http());
        client.map_request(move |mut request: Request<Full<Bytes>>| {
            *request.uri_mut() = uri.parse().expect("a uri");
            request
        })
    }

    #[tokio::test]
    async fn a_real_server_gets_copies_that_say_so_and_its_failures_reach_nobody() {
        let (tell, mut told) = mpsc::unbounded_channel::<(HeaderMap, Bytes)>();
        let shadow = post(|State(tell): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: Bytes| async move {
            tell.send((headers, body)).expect("the test listens");
            StatusCode::INTERNAL_SERVER_ERROR
        });
        let shadow = serve(Router::new().route("/orders", shadow).with_state(tell)).await;
        let stable = post(|headers: HeaderMap, body: Bytes| async move {
            assert!(!headers.contains_key(MIRRORED) && headers.contains_key("idempotency-key"));
            body
        });
        let stable = serve(Router::new().route("/orders", stable)).await;
        let layer = MirrorLayer::new(MirrorConfig::default(), client(shadow)).for_http();
        let service = layer.layer(client(stable));
        let all = async {
            for n in 0..20 {
                let body = Full::from(format!("order {n}"));
                let request = Request::post("/").header("idempotency-key", "17").body(body).expect("a request");
                let response = service.clone().oneshot(request).await.expect("an answer");
                let body = response.into_body().collect().await.expect("a body").to_bytes();
                assert_eq!(body, format!("order {n}"));
            }
            layer.handle().idle().await;
            let mut bodies = Vec::new();
            for _ in 0..20 {
                let (headers, body) = told.recv().await.expect("a copy");
                assert_eq!(headers[MIRRORED], "1");
                assert!(!headers.contains_key("idempotency-key"));
                bodies.push(body);
            }
            bodies.sort();
            let mut expected: Vec<_> = (0..20).map(|n| Bytes::from(format!("order {n}"))).collect();
            expected.sort();
            assert_eq!(bodies, expected);
            let stats = layer.handle().stats();
            assert_eq!((stats.mirrored, stats.failed, stats.dropped), (20, 20, 0));
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("in time");
    }

    /// What nginx's mirror is known for: it does not take the next request of a connection before the copy of the last one has
    /// ended.
    #[tokio::test]
    async fn the_next_request_of_a_connection_does_not_wait_for_a_copy_that_hangs() {
        let arrived = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&arrived);
        let hanging = post(move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            pending::<StatusCode>().await
        });
        let hanging = serve(Router::new().route("/orders", hanging)).await;
        let mirror = MirrorLayer::new(config(100.0, 1_000), client(hanging)).for_http();
        let handle = mirror.handle();
        let service = mirror.layer(service_fn(async |request: Request<Full<Bytes>>| {
            Ok::<_, BoxError>(::http::Response::new(request.into_body()))
        }));
        let front = Router::new().route(
            "/orders",
            post(async move |body: Bytes| {
                let response = service.oneshot(Request::post("/").body(Full::from(body)).expect("a request")).await;
                response.map(|response| response.map(axum::body::Body::new)).map_err(|_| StatusCode::BAD_GATEWAY)
            }),
        );
        let front = serve(front).await;
        let stream = tokio::net::TcpStream::connect(front.trim_start_matches("http://").trim_end_matches("/orders"));
        let stream = hyper_util::rt::TokioIo::new(stream.await.expect("it listens"));
        let (mut one_connection, driver) = hyper::client::conn::http1::handshake(stream).await.expect("a connection");
        tokio::spawn(driver);
        let all = async {
            for n in 0..50 {
                let body = Full::<Bytes>::from(format!("{n}"));
                let request = Request::post("/orders").header("host", "front").body(body);
                let response = one_connection.send_request(request.expect("a request")).await.expect("an answer");
                assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), format!("{n}"));
            }
            while arrived.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
        };
        // Each copy has ten seconds.
        tokio::time::timeout(Duration::from_secs(9), all).await.expect("in time");
        assert_eq!((handle.stats().in_flight, handle.stats().dropped), (50, 0));
    }
}
