//! Failover over plain HTTP clients: an address where nobody listens costs no call, whatever its method, and a request that
//! may have been sent is sent nowhere else.

#![cfg(all(feature = "http", feature = "hyper"))]

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::{Router, routing::post};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{BoxError, BoxErrorLayer, Rejected};
use plugin_lb::{Balance, BalanceConfig, Endpoint};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

async fn bounded<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("in time")
}

/// A server that gives back what it is sent.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/echo", post(|body: Bytes| async move { body }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// An address where nobody listens, for as long as the socket is kept: it is bound, so no other program gets the port.
fn refusing() -> (SocketAddr, tokio::net::TcpSocket) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    (socket.local_addr().expect("bound"), socket)
}

/// A server that closes each connection when the head of a request has come, and says how many there were.
async fn hanging_up() -> (SocketAddr, tokio::task::JoinHandle<usize>, tokio::sync::oneshot::Sender<()>) {
    use tokio::io::AsyncReadExt;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let served = tokio::spawn(async move {
        let mut connections = 0;
        loop {
            tokio::select! {
                _ = &mut stopped => return connections,
                accepted = listener.accept() => {
                    let (mut connection, _) = accepted.expect("a connection");
                    connection.read_u8().await.expect("a request");
                    connections += 1;
                }
            }
        }
    });
    (address, served, stop)
}

type HyperRequest = Request<Full<Bytes>>;

fn posted() -> HyperRequest {
    Request::post("/echo").body(Full::from("payload")).expect("valid")
}

/// hyper's pooled client, for one address.
fn hyper_client(
    name: &str,
    address: SocketAddr,
) -> Endpoint<
    impl Service<HyperRequest, Response = http::Response<hyper::body::Incoming>, Error = BoxError, Future: Send> + Clone,
> {
    let client = BoxErrorLayer.layer(Client::builder(TokioExecutor::new()).build_http());
    let to_address = move |mut request: HyperRequest| {
        *request.uri_mut() = format!("http://{address}{}", request.uri()).parse().expect("a URI");
        request
    };
    Endpoint::new(name, client.map_request(to_address))
}

#[tokio::test]
async fn hypers_client_goes_to_another_address_when_one_refuses_though_it_is_a_post() {
    let (refusing, _socket) = refusing();
    let echo = echo().await;
    let endpoints = || [hyper_client("down", refusing), hyper_client("up", echo)];
    let once = Balance::new(BalanceConfig::default(), endpoints()).expect("distinct names").for_http();
    let balance = Balance::new(BalanceConfig::default(), endpoints()).expect("distinct names").for_http();
    let balance = balance.retain_with(|request: &HyperRequest| Some(request.clone()));
    for _ in 0..4 {
        let response = bounded(balance.clone().oneshot(posted())).await.expect("the other one answers");
        assert_eq!(bounded(response.into_body().collect()).await.expect("a body").to_bytes(), "payload");
    }
    let stats = |name: &str| balance.handle().get(name).map(|stats| (stats.ok, stats.failed)).expect("there");
    assert_eq!(stats("up"), (4, 0));
    assert!(matches!(stats("down"), (0, 1..=4)), "{:?}", stats("down"));

    let mut refused = 0;
    for _ in 0..4 {
        refused += usize::from(bounded(once.clone().oneshot(posted())).await.is_err());
    }
    assert!(refused > 0, "without a copy the caller sees it");
}

#[tokio::test]
async fn reqwest_goes_to_another_address_when_one_refuses_though_it_is_a_post() {
    let (refusing, _socket) = refusing();
    let echo = echo().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let endpoint = |name: &str, address: SocketAddr| {
        let to_address = move |mut request: reqwest::Request| {
            request.url_mut().set_port(Some(address.port())).expect("a URL with a host");
            request
        };
        Endpoint::new(name, BoxErrorLayer.layer(client.clone()).map_request(to_address))
    };
    let balance = Balance::new(BalanceConfig::default(), [endpoint("down", refusing), endpoint("up", echo)]);
    let balance = balance.expect("distinct names").retain_with(reqwest::Request::try_clone);
    for _ in 0..4 {
        let request = client.post("http://127.0.0.1/echo").body("payload").build().expect("valid");
        let response = bounded(balance.clone().oneshot(request)).await.expect("the other one answers");
        assert_eq!(bounded(response.bytes()).await.expect("a body"), "payload");
    }
    let stats = balance.handle().get("up").expect("there");
    assert_eq!((stats.ok, stats.failed), (4, 0));
}

#[tokio::test]
async fn a_request_that_was_sent_goes_nowhere_else() {
    let (hanging_up, served, stop) = hanging_up().await;
    let (other, other_served, other_stop) = self::hanging_up().await;
    let endpoints = [hyper_client("a", hanging_up), hyper_client("b", other)];
    let balance = Balance::new(BalanceConfig::default(), endpoints).expect("distinct names").for_http();
    let balance = balance.retain_with(|request: &HyperRequest| Some(request.clone()));
    let error = bounded(balance.oneshot(posted())).await.expect_err("it was hung up");
    assert!(Rejected::find(&*error).is_none());
    let _ = (stop.send(()), other_stop.send(()));
    let connections = bounded(async { served.await.expect("served") + other_served.await.expect("served") }).await;
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn when_nobody_listens_anywhere_each_address_is_tried_once() {
    let ((first, _first), (second, _second)) = (refusing(), refusing());
    let endpoints = [hyper_client("first", first), hyper_client("second", second)];
    let balance = Balance::new(BalanceConfig::default(), endpoints).expect("distinct names").for_http();
    let balance = balance.retain_with(|request: &HyperRequest| Some(request.clone()));
    bounded(balance.clone().oneshot(posted())).await.expect_err("nobody listens");
    for name in ["first", "second"] {
        assert_eq!(balance.handle().get(name).map(|stats| stats.failed), Some(1), "{name}");
    }
}
