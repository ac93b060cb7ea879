//! An axum service under two limits: how often each client may ask, and how many requests are in flight at once, which
//! follows what the service can do.
//!
//! `limited-axum [ADDRESS [PROXY...]]`, with the addresses of the proxies that are believed what they say of a client.

use std::{env, error::Error, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::ConnectInfo,
    routing::{get, post},
};
use plugin_ratelimit::{
    ClientIp, ClientIpConfig, KeyedRateLimitLayer, RateLimitConfig,
    concurrency::{AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3005".to_owned());
    let mut interrupt = signal(SignalKind::interrupt())?;

    // Each client: ten requests at once, then one per second. The rest is 429, with the time to come back.
    let each = RateLimitConfig::builder().with_burst_size(10).with_requests_per_second(1.0).build()?;
    let rules = ClientIpConfig::builder().with_trusted_proxies(args).build()?;
    let client = ClientIp::new(rules, |extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()));
    let each_client = KeyedRateLimitLayer::by_client_ip(each, client).for_http();

    // All clients together: four in flight at first, and as many as keep the latency low from then on. Eight more wait
    // for a moment. The rest is 503.
    let adaptive = AdaptiveConfig::new(AdaptiveAlgorithm::Vegas).with_min(2).with_initial(4);
    let config = ConcurrencyLimitConfig::builder()
        .with_max(100)
        .with_adaptive(adaptive)
        .with_queue(8)
        .with_max_wait(Duration::from_millis(100))
        .build()?;
    let in_flight = ConcurrencyLimitLayer::new(config).for_http();

    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/upload", post(|body: Bytes| async move { format!("{} bytes\n", body.len()) }))
        // From the outside inwards: who asks too often takes no place from others.
        .layer(ServiceBuilder::new().layer(each_client).layer(in_flight));

    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    let stopped = async move {
        interrupt.recv().await;
    };
    // With the address of each connection: without it nobody knows whose request it is.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    Ok(())
}
