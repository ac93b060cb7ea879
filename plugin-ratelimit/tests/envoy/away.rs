//! A service that is not there, is slow, or goes away under load.

use std::{convert::Infallible, future::pending, net::SocketAddr, time::Duration};

use http::{Request, Response};
use plugin_ratelimit::{
    envoy::{EnvoyOnFailure, EnvoyRateLimitConfig, EnvoyRateLimitLayer, EnvoyRateLimitServer},
    plugin_core::{Code, Rejected, deadline::DeadlineLayer},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, time::Instant};
use tonic::body::Body;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::{
    inner,
    support::{LONG, Of, by_user, call, channel, each_user, limit, patient, serve, server, within},
};

/// The port of nobody.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address")
}

#[tokio::test]
async fn where_nothing_listens_every_request_passes_and_is_counted() {
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), channel(closed().await), by_user);
    let service = layer.layer(inner!());
    for _ in 0..50 {
        assert_eq!(call(&service, "ann").await, None);
    }
    let stats = layer.handle().stats();
    assert_eq!((stats.asked, stats.refused, stats.failed), (50, 0, 50));
}

#[tokio::test]
async fn who_says_so_has_them_refused_and_not_as_if_they_were_over_a_limit() {
    let config = patient().with_on_failure(EnvoyOnFailure::Refuse).build().expect("valid");
    let layer = EnvoyRateLimitLayer::new(config, channel(closed().await), by_user);
    let rejected = call(&layer.layer(inner!()), "ann").await.expect("a refusal");
    assert_eq!((rejected.code(), rejected.retry_after()), (Code::Shed, None));
    let stats = layer.handle().stats();
    assert_eq!((stats.asked, stats.refused, stats.failed), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stalls_holds_a_request_for_the_timeout_and_no_longer() {
    let stalled = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let config = EnvoyRateLimitConfig::builder("shop").build().expect("valid");
    let layer = EnvoyRateLimitLayer::new(config, stalled, by_user);
    let (began, service) = (Instant::now(), layer.layer(inner!()));
    assert_eq!(call(&service, "ann").await, None);
    // A timer of tokio is up to a millisecond late.
    let held = began.elapsed();
    assert!(held >= Duration::from_millis(20) && held <= Duration::from_millis(26), "{held:?}");
    assert_eq!(layer.handle().stats().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_lasts_no_longer_than_the_deadline_of_the_call_outside() {
    let stalled = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let layer =
        EnvoyRateLimitLayer::new(patient().build().expect("valid"), stalled, |_: &Request<()>| by_user(&Of("ann")));
    let inner = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
    let service = DeadlineLayer::new(Duration::from_millis(300)).layer(layer.layer(inner));
    let began = Instant::now();
    let error = within(service.oneshot(Request::new(()))).await.expect_err("the deadline");
    let rejected = Rejected::find_in(&error).expect("a refusal");
    assert_eq!((rejected.code(), rejected.stage()), (Code::Timeout, Some("waiting for the rate limit service")));
    assert!(!rejected.is_evidence(), "the inner service was never called");
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_lets_everybody_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = EnvoyRateLimitConfig::builder("shop").with_timeout(Duration::from_millis(50)).build().expect("valid");
    let layer = EnvoyRateLimitLayer::new(config, channel(address), by_user);
    let service = layer.layer(inner!());
    let calls = (0..20).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { call(&service, "ann").await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(within(call).await.expect("it ran"), None);
    }
    assert_eq!(layer.handle().stats().failed, 20);
    drop(listener);
}

/// A server that can be killed, with all its connections: it has a runtime of its own.
fn start(rules: &EnvoyRateLimitServer, at: SocketAddr) -> (SocketAddr, Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (rules, (send, served)) = (rules.clone(), std::sync::mpsc::channel());
    runtime.spawn(async move {
        let (address, serving) = serve(rules, Some(at)).await;
        send.send(address).expect("somebody waits");
        serving.await
    });
    (served.recv_timeout(LONG).expect("it listens"), runtime)
}

async fn reaches(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < LONG, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_service_is_restarted_under_load() {
    let rules = server([each_user(limit(1e6, 1_000_000))]);
    let (address, runtime) = start(&rules, SocketAddr::from(([127, 0, 0, 1], 0)));
    let config = patient().with_timeout(Duration::from_secs(1)).build().expect("valid");
    let layer = EnvoyRateLimitLayer::new(config, channel(address), by_user);
    let (service, handle) = (layer.layer(inner!()), layer.handle());
    let (stop, stopped) = watch::channel(false);
    let caller = |_| {
        let (service, stopped) = (service.clone(), stopped.clone());
        tokio::spawn(async move {
            while !*stopped.borrow() {
                assert_eq!(call(&service, "ann").await, None);
            }
        })
    };
    let callers: Vec<_> = (0..4).map(caller).collect();
    reaches("it answers", || rules.stats().asked > 100).await;
    // With it end the connections, so that its port is free.
    tokio::task::block_in_place(|| runtime.shutdown_timeout(LONG));
    let failed = handle.stats().failed;
    reaches("it is missed", || handle.stats().failed > failed + 10).await;
    let (_, runtime) = start(&rules, address);
    let before = rules.stats().asked;
    reaches("it answers again", || rules.stats().asked > before + 100).await;
    stop.send_replace(true);
    for caller in callers {
        within(caller).await.expect("no request failed");
    }
    let stats = handle.stats();
    assert_eq!(stats.refused, 0);
    assert!(stats.asked - stats.failed > 200, "{stats:?}");
    runtime.shutdown_background();
}
