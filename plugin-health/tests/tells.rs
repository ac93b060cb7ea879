//! How a program tells of its health: over HTTP on an axum server, and over gRPC on a tonic server.
#![cfg(all(feature = "axum", feature = "tonic-health", feature = "probe-grpc"))]

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{
    HealthState::{self, Degraded, Healthy, Offline, Unhealthy, Unknown},
    HealthStatus,
};
use plugin_health::{HealthMonitor, HealthRoutes, ask, probes};
use serde_json::Value;
use tokio::net::TcpListener;

struct Served {
    base: String,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Body>,
}

impl Served {
    async fn new(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn ask(&self, method: Method, path: &str) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base)).body(Body::empty());
        let answer = tokio::time::timeout(Duration::from_secs(20), self.client.request(request.expect("a request")));
        let answer = answer.await.expect("in time").expect("an answer").map(Body::new);
        let (head, body) = answer.into_parts();
        let kept = head.headers.get("cache-control").map(|value| value.to_str().expect("text").to_owned());
        let body = axum::body::to_bytes(body, 10_000_000).await.expect("a body");
        (head.status.as_u16(), String::from_utf8(body.to_vec()).expect("text"), kept.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, body, kept) = self.ask(Method::GET, path).await;
        assert_eq!(kept, "no-store", "{path}");
        (status, body)
    }
}

fn tell(monitor: &HealthMonitor, name: &str, state: HealthState) {
    monitor.update(name, HealthStatus::new(state, "at 10.0.0.7")).expect("open");
}

#[tokio::test]
async fn readyz_goes_by_all_checks_or_those_that_are_named_and_a_blip_takes_nobody_out() {
    let monitor = HealthMonitor::new();
    let app = Router::new()
        .merge(HealthRoutes::new(&monitor).router())
        .nest("/named", HealthRoutes::new(&monitor).ready_by(["database"]).router());
    let served = Served::new(app).await;
    let ready = (200, "ready\n".to_owned());
    assert_eq!(served.get("/readyz").await, ready, "without checks there is nothing to wait for");
    assert_eq!(served.get("/named/readyz").await, (503, "unknown: database\n".to_owned()), "it is not there yet");
    for (state, expected) in [
        (Unknown, (503, "unknown: database\n".to_owned())),
        (Healthy, ready.clone()),
        (Degraded, ready.clone()),
        (Unhealthy, ready.clone()),
        (Offline, (503, "offline: database\n".to_owned())),
    ] {
        tell(&monitor, "database", state);
        assert_eq!(served.get("/readyz").await, expected, "{state}");
        assert_eq!(served.get("/named/readyz").await, expected, "{state}");
        assert_eq!(served.get("/healthz").await, (200, "ok\n".to_owned()), "the process lives");
    }
    tell(&monitor, "database", Healthy);
    tell(&monitor, "mail", Offline);
    assert_eq!(served.get("/readyz").await, (503, "offline: mail\n".to_owned()));
    assert_eq!(served.get("/named/readyz").await, ready);
}

#[tokio::test]
async fn health_tells_all_and_no_text_unless_it_is_to() {
    let monitor = HealthMonitor::new();
    let app = Router::new()
        .merge(HealthRoutes::new(&monitor).router())
        .nest("/inside", HealthRoutes::new(&monitor).with_texts(true).router());
    let served = Served::new(app).await;
    let status = HealthStatus::degraded("slow disk at 10.0.0.7")
        .with_metadata([("disk".to_owned(), "/dev/sda".to_owned())].into())
        .with_response_time(Duration::from_millis(12));
    monitor.update("database", status).expect("open");
    let (code, body) = served.get("/health").await;
    let health: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((code, &health["status"], &health["message"]), (200, &"degraded".into(), &"degraded: database".into()));
    let check = &health["checks"]["database"];
    assert_eq!((&check["status"], &check["response_time"]), (&"degraded".into(), &"12ms".into()));
    assert!(check["last_check_ms"].as_u64() > Some(0) && check["since_ms"].as_u64() > Some(0), "{check}");
    assert!(!body.contains("10.0.0.7") && !body.contains("sda"), "{body}");
    let (_, body) = served.get("/inside/health").await;
    let health: Value = serde_json::from_str(&body).expect("JSON");
    let check = &health["checks"]["database"];
    assert_eq!((&check["message"], &check["metadata"]["disk"]), (&"slow disk at 10.0.0.7".into(), &"/dev/sda".into()));
    tell(&monitor, "mail", Unhealthy);
    assert_eq!(served.get("/health").await.0, 503);
}

#[tokio::test]
async fn an_answer_is_bounded_and_head_has_no_body() {
    let monitor = HealthMonitor::new();
    for index in 0..1_200 {
        let status = HealthStatus::degraded("ä".repeat(100_000));
        monitor.update(format!("check-{index:04}"), status).expect("open");
    }
    let served = Served::new(HealthRoutes::new(&monitor).with_texts(true).router()).await;
    let (_, body) = served.get("/health").await;
    assert!(body.len() < 1_000_000, "{} bytes", body.len());
    let health: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (health["checks"].as_object().map(serde_json::Map::len), &health["left_out"]),
        (Some(1_000), &200.into())
    );
    for path in ["/healthz", "/readyz", "/health"] {
        assert_eq!(served.ask(Method::HEAD, path).await, (200, String::new(), "no-store".to_owned()), "{path}");
        assert_eq!(served.ask(Method::POST, path).await.0, 405, "{path}");
    }
}

#[tokio::test]
async fn a_server_of_grpc_is_told_of_each_check_until_the_guard_is_dropped() {
    let monitor = HealthMonitor::new();
    tell(&monitor, "shop.Orders", Healthy);
    let (reporter, service) = tonic_health::server::health_reporter();
    let report = monitor.report_to(reporter);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let channel = channel.connect_lazy();
    let asked = async |name: &str| {
        let status = ask(&probes::grpc(channel.clone(), name), Duration::from_secs(20)).await;
        if status.message.is_empty() { "SERVING".to_owned() } else { status.message }
    };
    let is_told = async |name: &str, expected: &str| {
        let told = async {
            loop {
                let said = asked(name).await;
                if said.ends_with(expected) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let said = tokio::time::timeout(Duration::from_secs(20), told).await;
        assert!(said.is_ok(), "{name:?} is to be {expected}, and is {}", asked(name).await);
    };
    is_told("shop.Orders", "SERVING").await;
    is_told("", "SERVING").await;
    tell(&monitor, "shop.Orders", Unhealthy);
    tell(&monitor, "shop.Carts", Unknown);
    is_told("shop.Carts", " UNKNOWN").await;
    is_told("", " UNKNOWN").await;
    assert_eq!(asked("shop.Orders").await, "SERVING", "a blip takes nobody out");
    tell(&monitor, "shop.Orders", Offline);
    is_told("shop.Orders", "NOT_SERVING").await;
    is_told("", "NOT_SERVING").await;
    tell(&monitor, "shop.Orders", Healthy);
    assert!(monitor.remove("shop.Carts").await);
    is_told("shop.Carts", "does not know the service").await;
    is_told("", "SERVING").await;
    drop(report);
    tell(&monitor, "shop.Orders", Offline);
    tokio::task::yield_now().await;
    assert_eq!(asked("shop.Orders").await, "SERVING", "nobody tells any more");
    server.abort();
}

#[tokio::test]
async fn what_was_shut_down_is_not_ready_though_its_process_lives() {
    let monitor = HealthMonitor::new();
    tell(&monitor, "shop.Orders", Healthy);
    let (reporter, service) = tonic_health::server::health_reporter();
    let report = monitor.report_to(reporter);
    let asked = tower::service_fn(move |request: Request<tonic::body::Body>| {
        tower::ServiceExt::oneshot(service.clone(), request)
    });
    let app = Router::new()
        .merge(HealthRoutes::new(&monitor).router())
        .nest("/none", HealthRoutes::new(&monitor).ready_by([""; 0]).router());
    let served = Served::new(app).await;
    let services = ["", "shop.Orders"].map(|name| probes::grpc(asked.clone(), name));
    let are_told = async |expected: HealthState| {
        let told = async {
            for service in &services {
                while ask(service, Duration::from_secs(20)).await.state != expected {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("both are told in time");
    };
    are_told(Healthy).await;
    assert_eq!((served.get("/readyz").await.0, served.get("/none/readyz").await.0), (200, 200));
    monitor.shutdown().await;
    are_told(Unhealthy).await;
    for path in ["/readyz", "/none/readyz"] {
        assert_eq!(served.get(path).await, (503, "shut down\n".to_owned()), "{path}");
    }
    let (code, body) = served.get("/health").await;
    assert_eq!((code, body.as_str()), (503, r#"{"status":"unhealthy","message":"shut down","checks":{}}"#));
    assert_eq!(served.get("/healthz").await.0, 200, "who ends is not to be killed for it");
    drop(report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_health_does_not_contradict_itself() {
    let monitor = HealthMonitor::new();
    for index in 0..100 {
        tell(&monitor, &format!("check-{index}"), Healthy);
    }
    let flips = monitor.clone();
    let flips = tokio::task::spawn_blocking(move || {
        for round in 0..200_000 {
            tell(&flips, "check-50", if round % 2 == 0 { Unhealthy } else { Healthy });
        }
    });
    let app: Router = HealthRoutes::new(&monitor).router();
    for _ in 0..500 {
        let request = Request::get("/health").body(Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(app.clone(), request).await.expect("infallible");
        let code = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 10_000_000).await.expect("a body");
        let health: Value = serde_json::from_slice(&body).expect("JSON");
        let one = (code, health["status"].as_str().expect("text"));
        let other = health["checks"]["check-50"]["status"].as_str().expect("text");
        assert_eq!(one, if other == "healthy" { (200, "healthy") } else { (503, "unhealthy") }, "it says {other}");
    }
    flips.await.expect("no panic");
}
