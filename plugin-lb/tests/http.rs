//! On `http` requests: bodies followed to their end, hints and tags in extensions, and instances behind real sockets.

#![cfg(feature = "http")]

#[path = "../../plugin-core/tests/servers/download.rs"]
#[allow(dead_code, reason = "what the balancer's tests do not ask of it, others do")]
mod download;

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{
    AsHttpResponse, AtEnd, BoxError, BoxErrorLayer, ByHttpStatus, CallContext, End, InstanceId, Judgement,
};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
use tower::{Layer, Service, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(30);

async fn bounded<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(LIMIT, test).await.expect("in time")
}

#[derive(Clone)]
struct JudgeTheBody;

impl plugin_core::Classify<Response<Body>, BoxError> for JudgeTheBody {
    fn classify(&self, result: Result<&Response<Body>, &BoxError>) -> Judgement {
        if result.is_ok() { Judgement::at_end() } else { Judgement::failure() }
    }

    fn classify_end(&self, end: End<'_>) -> Judgement {
        if matches!(end, End::Complete { .. }) { Judgement::success() } else { Judgement::failure() }
    }
}

#[tokio::test]
async fn a_response_is_in_flight_until_the_end_of_its_body() {
    let service = service_fn(|_: Request<()>| async {
        let body = http_body_util::Full::new(Bytes::from_static(b"a body"));
        Ok::<_, BoxError>(Response::new(Body::new(body)))
    });
    let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", service)]).expect("one");
    let mut balance = balance.classify(JudgeTheBody).follow::<AtEnd>();
    let handle = balance.handle();
    let state = || handle.get("a").map(|stats| (stats.active, stats.ok, stats.total)).expect("there");

    let response = balance.call(Request::new(())).await.expect("a response");
    assert_eq!(state(), (1, 0, 1));
    bounded(response.into_body().collect()).await.expect("a body");
    assert_eq!(state(), (0, 1, 1));
    drop(balance.call(Request::new(())).await.expect("a response"));
    assert_eq!(state(), (0, 1, 2), "a body that nobody reads says nothing");

    let response = balance.call(Request::new(())).await.expect("a response");
    let removed = handle.remove("a").expect("there");
    assert_eq!(removed.active(), 1);
    drop(response);
    assert_eq!((removed.active(), removed.stats().total), (0, 3));
}

#[tokio::test]
async fn a_download_that_is_read_to_its_declared_length_is_ok() {
    type Answer = fn() -> Response<Body>;
    let answers: [(&str, Answer); 3] =
        [("whole", download::whole), ("half", download::half), ("broken", download::broken)];
    for (version, client) in download::clients() {
        let endpoints = answers.map(|(name, answer)| {
            let answer = move |_: axum::extract::Request| std::future::ready(Ok::<_, Infallible>(answer()));
            Endpoint::new(name, service_fn(answer))
        });
        let balance = Balance::new(BalanceConfig::default(), endpoints).expect("distinct names").for_http();
        let judge = ByHttpStatus::new().until_end_of_body();
        let balance = balance.classify(judge).reject_with(AsHttpResponse).follow::<AtEnd>();
        let handle = balance.handle();
        let address = download::serve(Router::new().fallback_service(balance)).await;
        let stats = |name: &str| handle.get(name).map(|stats| (stats.ok, stats.failed, stats.active)).expect("there");

        assert_eq!(bounded(client.read(address)).await, Some((200, download::LENGTH)), "{version}");
        let mut read = Box::pin(client.read(address));
        bounded(async {
            while stats("half").2 == 0 {
                assert!(tokio::time::timeout(Duration::from_millis(2), &mut read).await.is_err(), "it stands still");
            }
        })
        .await;
        drop(read);
        assert_eq!(bounded(client.read(address)).await, None, "{version}");
        bounded(async {
            while answers.iter().any(|(name, _)| stats(name).2 > 0) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let all = answers.map(|(name, _)| stats(name));
        assert_eq!(all, [(1, 0, 0), (0, 0, 0), (0, 1, 0)], "{version}");
    }
}

#[tokio::test]
async fn the_head_of_a_download_is_ok_and_no_longer_in_flight() {
    // Over HTTP/2 hyper sends whatever body a service answers HEAD with.
    let [(_, client), _] = download::clients();
    let answer = |_: axum::extract::Request| std::future::ready(Ok::<_, Infallible>(download::whole()));
    let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", service_fn(answer))]).expect("one");
    let balance = balance.for_http().classify(ByHttpStatus::new().until_end_of_body());
    let balance = balance.reject_with(AsHttpResponse).follow::<AtEnd>();
    let handle = balance.handle();
    let address = download::serve(Router::new().fallback_service(balance)).await;
    assert_eq!(bounded(client.head(address)).await, Some(200));
    let stats = handle.get("a").expect("there");
    assert_eq!((stats.ok, stats.failed, stats.active), (1, 0, 0));
}

#[tokio::test]
async fn a_status_from_500_is_a_failure_of_the_instance() {
    let service = service_fn(|status: Request<u16>| async move {
        let status = http::StatusCode::from_u16(*status.body()).expect("a status");
        Ok::<_, BoxError>(Response::builder().status(status).body(()).expect("a response"))
    });
    let mut balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", service)]).expect("one").for_http();
    for status in [200, 404, 500, 503] {
        balance.call(Request::new(status)).await.expect("a response");
    }
    let stats = balance.handle().get("a").expect("there");
    assert_eq!((stats.ok, stats.failed), (2, 2));
}

#[tokio::test]
async fn hints_and_the_instance_travel_in_extensions() {
    let named = |name: &'static str| {
        Endpoint::new(name, service_fn(move |_: Request<()>| async move { Ok::<_, BoxError>(Response::new(name)) }))
    };
    let balance = Balance::new(BalanceConfig::default(), ["a", "b", "c"].map(named)).expect("distinct names");
    let mut balance = balance.for_http();
    for _ in 0..6 {
        let mut context = CallContext::new();
        context.prefer("b");
        let mut request = Request::new(());
        request.extensions_mut().insert(context);
        let response = balance.call(request).await.expect("a response");
        let id = response.extensions().get::<InstanceId>().copied().expect("tagged");
        assert_eq!((*response.body(), balance.handle().name_of(id).as_deref()), ("b", Some("b")));
    }
}

/// A server on a port of its own, which closes its listener and its connections when it is told to stop.
async fn server(name: &'static str) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/", get(move || async move { name }));
    let serve = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    (address, serve)
}

type HttpClient = Client<hyper_util::client::legacy::connect::HttpConnector, String>;

/// A client that sends every request to one address, without keeping connections.
fn client(
    name: &str,
    address: SocketAddr,
) -> Endpoint<
    impl Service<Request<String>, Response = Response<Incoming>, Error = BoxError, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static,
> {
    let client: HttpClient = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let client = BoxErrorLayer.layer(client);
    let to_address = move |mut request: Request<String>| {
        *request.uri_mut() = format!("http://{address}/").parse().expect("a uri");
        request
    };
    Endpoint::new(name, client.map_request(to_address))
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn when_a_server_dies_its_calls_go_to_the_others_and_none_fails() {
    bounded(async {
        let (first, first_task) = server("first").await;
        let (second, _second_task) = server("second").await;
        let endpoints = [("first", first), ("second", second)].map(|(name, address)| client(name, address));
        let balance = Balance::new(BalanceConfig::default(), endpoints).expect("distinct names").for_http();
        let mut balance = balance.retain_with(|request: &Request<String>| Some(request.clone()));
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(text(balance.call(Request::new(String::new())).await.expect("a response")).await);
        }
        assert_eq!(answers, ["first", "second", "first", "second"]);

        first_task.abort();
        assert!(first_task.await.expect_err("aborted").is_cancelled());
        for _ in 0..10 {
            let response = balance.call(Request::new(String::new())).await.expect("a response");
            let id = response.extensions().get::<InstanceId>().copied().expect("tagged");
            assert_eq!(balance.handle().name_of(id).as_deref(), Some("second"));
            assert_eq!(text(response).await, "second");
        }
        let stats = balance.handle().get("first").expect("there");
        assert!((1..=10).contains(&stats.failed) && stats.active == 0, "{stats:?}");
    })
    .await;
}

#[tokio::test]
async fn a_balancer_in_front_of_routers_serves_an_axum_application() {
    bounded(async {
        let mut servers = Vec::new();
        for name in ["one", "two"] {
            servers.push((name, server(name).await));
        }
        let clients = servers.iter().map(|(name, (address, _))| client(name, *address));
        let balance = Balance::new(BalanceConfig::new(Strategy::LeastConnections), clients).expect("distinct names");
        let handle = balance.handle();
        let balance = balance.reject_with(|rejected: plugin_core::Rejected| Err(BoxError::from(rejected)));
        let front = Router::new().fallback(move || {
            let mut balance = balance.clone();
            async move {
                match balance.call(Request::new(String::new())).await {
                    Ok(response) => Ok(text(response).await),
                    Err(error) => Err((http::StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let _front = tokio::spawn(async move { axum::serve(listener, front).await.expect("serves") });
        let mut user = client("front", address).get_ref().clone();
        let mut answers = std::collections::HashSet::new();
        for _ in 0..8 {
            let response = user.ready().await.expect("ready").call(Request::new(String::new())).await;
            answers.insert(text(response.expect("a response")).await);
        }
        assert_eq!(answers.len(), 2, "{answers:?}");
        handle.remove("one").expect("there");
        handle.remove("two").expect("there");
        let response = user.ready().await.expect("ready").call(Request::new(String::new())).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(text(response).await.contains("LOADBALANCER_1701"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_status_429_attracts_no_calls_whether_its_head_decides_or_its_end() {
    let service = |status: u16| {
        service_fn(move |_: Request<()>| async move {
            tokio::time::sleep(Duration::from_millis(if status == 429 { 1 } else { 20 })).await;
            Ok::<_, BoxError>(Response::builder().status(status).body(Body::empty()).expect("a response"))
        })
    };
    let config = || BalanceConfig::builder().with_strategy(Strategy::LeastLatency).build().expect("valid");
    let endpoints = || [("busy", 429), ("good", 200)].map(|(name, status)| Endpoint::new(name, service(status)));
    let total = |handle: &plugin_lb::BalanceHandle<_>| handle.get("busy").expect("there").total;

    let balance = Balance::new(config(), endpoints()).expect("two names").for_http();
    let handle = balance.handle();
    for _ in 0..500 {
        balance.clone().oneshot(Request::new(())).await.expect("a response");
    }
    assert!(total(&handle) <= 2, "{} of 500", total(&handle));

    for is_read in [true, false] {
        let balance = Balance::new(config(), endpoints()).expect("two names").for_http();
        let balance = balance.classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
        let handle = balance.handle();
        for _ in 0..500 {
            let response = balance.clone().oneshot(Request::new(())).await.expect("a response");
            if is_read || response.status() == 200 {
                response.into_body().collect().await.expect("a body");
            }
        }
        assert!(total(&handle) <= 2, "{} of 500, read: {is_read}", total(&handle));
    }
}
