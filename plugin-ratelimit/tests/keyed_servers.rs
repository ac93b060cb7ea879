//! The layer by the client's address on an axum router and on a tonic server, each with real connections.
#![cfg(all(feature = "http", feature = "grpc", not(loom)))]

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::{HeaderValue, Request, Response, StatusCode};
use plugin_ratelimit::{ByExtension, ByHeader, ClientIp, ClientIpConfig, KeyedRateLimitLayer, RateLimitConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{server::NamedService, transport::server::TcpConnectInfo};
use tower::{Service, ServiceExt};

fn one_per_minute() -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(1.0 / 60.0).with_burst_size(1).build().expect("valid")
}

fn behind_this_machine() -> ClientIpConfig {
    ClientIpConfig::builder().with_trusted_proxies(["127.0.0.0/8"]).build().expect("valid")
}

/// Sends one request on a connection of its own, and gives back the head of the answer.
async fn ask(address: SocketAddr, forwarded: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {forwarded}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer.to_ascii_lowercase()
}

#[tokio::test]
async fn an_axum_router_limits_by_the_client_that_a_trusted_proxy_names() {
    let peer = |extensions: &http::Extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let limit =
        KeyedRateLimitLayer::by_client_ip(one_per_minute(), ClientIp::new(behind_this_machine(), peer)).for_http();
    let handle = limit.handle();
    let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(limit);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server =
        tokio::spawn(
            async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await },
        );
    let scenario = async {
        assert!(ask(address, "203.0.113.7").await.starts_with("http/1.1 200"));
        let refused = ask(address, "6.6.6.6, 203.0.113.7").await;
        assert!(refused.starts_with("http/1.1 429"), "another address at the left changes nothing: {refused}");
        assert!(refused.contains("\r\nretry-after: 60\r\n"), "{refused}");
        assert!(refused.contains("\r\nratelimit-policy: \"default\";q=1;w=60\r\n"), "{refused}");
        assert!(refused.contains("\r\nratelimit: \"default\";r=0;t=60\r\n"), "{refused}");
        assert!(ask(address, "203.0.113.8").await.starts_with("http/1.1 200"));
        assert!(ask(address, "2001:db8::1").await.starts_with("http/1.1 200"));
        assert!(ask(address, "2001:db8::ffff").await.starts_with("http/1.1 429"), "the same 64 bits");
    };
    tokio::time::timeout(Duration::from_secs(30), scenario).await.expect("in time");
    server.abort();
    assert_eq!((handle.stats().keys, handle.stats().without_key), (3, 0));
}

#[tokio::test]
async fn a_router_limits_by_a_header_and_by_what_an_earlier_layer_has_found() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Tenant(u16);

    let by_header =
        KeyedRateLimitLayer::by_header(one_per_minute(), ByHeader::new("x-tenant-id".parse().expect("a name")));
    let by_tenant = KeyedRateLimitLayer::by_extension(one_per_minute(), ByExtension::<Tenant>::new());
    let route = || Router::new().route("/", get(|| async { "hello" }));
    for app in [route().layer(by_header.for_http()), route().layer(by_tenant.for_http())] {
        let status = async |tenant: u16| {
            let request = Request::get("/").header("x-tenant-id", tenant).extension(Tenant(tenant)).body(Body::empty());
            app.clone().oneshot(request.expect("a request")).await.expect("infallible").status()
        };
        assert_eq!((status(1).await, status(2).await), (StatusCode::OK, StatusCode::OK));
        assert_eq!((status(1).await, status(2).await), (StatusCode::TOO_MANY_REQUESTS, StatusCode::TOO_MANY_REQUESTS));
    }
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        let mut response = Response::new(tonic::body::Body::empty());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn a_tonic_server_limits_by_the_address_of_the_connection() {
    let peer = |extensions: &http::Extensions| {
        extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip())
    };
    let limit =
        KeyedRateLimitLayer::by_client_ip(one_per_minute(), ClientIp::new(behind_this_machine(), peer)).for_grpc();
    let handle = limit.handle();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(
        tonic::transport::Server::builder()
            .layer(limit)
            .add_service(Echo)
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)),
    );
    let scenario = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut channel = endpoint.connect().await.expect("it listens");
        let mut statuses = Vec::new();
        for client in ["203.0.113.7", "203.0.113.7", "203.0.113.8"] {
            let request = Request::post(format!("http://{address}/test.Echo/Say"))
                .header("content-type", "application/grpc")
                .header("x-forwarded-for", client)
                .body(tonic::body::Body::empty())
                .expect("a request");
            let response = channel.ready().await.expect("connected").call(request).await.expect("an answer");
            statuses.push(tonic::Status::from_header_map(response.headers()).expect("a status"));
        }
        statuses
    };
    let statuses = tokio::time::timeout(Duration::from_secs(30), scenario).await.expect("in time");
    server.abort();
    let codes: Vec<_> = statuses.iter().map(tonic::Status::code).collect();
    assert_eq!(codes, [tonic::Code::Ok, tonic::Code::ResourceExhausted, tonic::Code::Ok]);
    assert!(!statuses[1].details().is_empty(), "RetryInfo");
    assert_eq!((handle.stats().keys, handle.stats().without_key), (2, 0));
}
