//! An axum service whose `/quote` asks an upstream that fails now and then. It existed before; the lines marked
//! "added" give that one route a circuit breaker.
//!
//! `axum-service [ADDRESS [UPSTREAM]]`

use std::{env, error::Error};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri},
    routing::get,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use plugin_breaker::CircuitBreakerLayer; // added
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Body>,
    uri: Uri,
}

async fn quote(State(upstream): State<Upstream>) -> Result<Body, StatusCode> {
    match upstream.client.get(upstream.uri).await {
        Ok(response) if response.status().is_success() => Ok(Body::new(response.into_body())),
        _ => Err(StatusCode::BAD_GATEWAY),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let uri = args.next().unwrap_or_else(|| "http://127.0.0.1:3001/".to_owned()).parse()?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut interrupt = signal(SignalKind::interrupt())?;

    // Added. After five failures in a row the answer is 503 with `Retry-After`, and the upstream is left alone.
    let breaker = CircuitBreakerLayer::default().for_http();

    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/quote", get(quote).layer(breaker)) // added: `.layer(breaker)`
        .with_state(Upstream { client, uri });

    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    let stopped = async move {
        interrupt.recv().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    Ok(())
}
