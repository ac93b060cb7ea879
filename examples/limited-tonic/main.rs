//! A tonic service under two limits: how often each client may call, and how many calls are in flight at once, which
//! follows what the service can do.
//!
//! `limited-tonic [ADDRESS [PROXY...]]`, with the addresses of the proxies that are believed what they say of a client.

#[path = "../tonic-service/hello.rs"]
mod hello;

use std::{env, error::Error, pin::Pin, time::Duration};

use hello::{
    HelloReply, HelloRequest,
    greeter_server::{Greeter, GreeterServer},
    visits_server::{Visits, VisitsServer},
};
use plugin_ratelimit::{
    ClientIp, ClientIpConfig, KeyedRateLimitLayer, RateLimitConfig,
    concurrency::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tonic::{
    Request, Response, Status,
    codegen::tokio_stream::{self, Stream, StreamExt},
    transport::{
        Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(greeting(request)))
    }
}

#[tonic::async_trait]
impl Visits for Hello {
    type StayStream = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

    /// Greets, and keeps the stream open for as long as the visitor stays.
    async fn stay(&self, request: Request<HelloRequest>) -> Result<Response<Self::StayStream>, Status> {
        let greeting = tokio_stream::once(Ok(greeting(request)));
        Ok(Response::new(Box::pin(greeting.chain(tokio_stream::pending()))))
    }
}

fn greeting(request: Request<HelloRequest>) -> HelloReply {
    HelloReply { message: format!("hello {}", request.into_inner().name) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3006".to_owned());
    let mut interrupt = signal(SignalKind::interrupt())?;

    // Each client: ten calls at once, then one per second. The rest is RESOURCE_EXHAUSTED, with the time to come back.
    let each = RateLimitConfig::builder().with_burst_size(10).with_requests_per_second(1.0).build()?;
    let rules = ClientIpConfig::builder().with_trusted_proxies(args).build()?;
    let client = ClientIp::new(rules, |extensions| {
        extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip())
    });
    let each_client = KeyedRateLimitLayer::by_client_ip(each, client).for_grpc();

    // All clients together: four in flight at first, and as many as keep the latency low from then on. Eight more wait
    // for a moment. The rest is RESOURCE_EXHAUSTED too, and nobody knows when it will fit.
    let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Vegas).with_min(2).with_initial(4);
    let config = ConcurrencyLimitConfig::builder()
        .with_max(100)
        .with_adaptive(adaptive)
        .with_queue(8)
        .with_max_wait(Duration::from_millis(100))
        .build()?;
    let in_flight = ConcurrencyLimitLayer::new(config).for_grpc();

    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    let stopped = async move {
        interrupt.recv().await;
    };
    Server::builder()
        // From the outside inwards: who calls too often takes no place from others.
        .layer(each_client)
        .layer(in_flight)
        .add_service(GreeterServer::new(Hello))
        .add_service(VisitsServer::new(Hello))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped)
        .await?;
    Ok(())
}
