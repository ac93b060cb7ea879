//! A tonic service that existed before; the lines marked "added" give it a rate limit.
//!
//! `tonic-service [ADDRESS]`

mod hello;

use std::{env, error::Error};

use hello::{
    HelloReply, HelloRequest,
    greeter_server::{Greeter, GreeterServer},
};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer}; // added
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("hello {}", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3002".to_owned());
    let mut interrupt = signal(SignalKind::interrupt())?;

    // Added. Five calls at once, then one per second; the rest is RESOURCE_EXHAUSTED, with the time to come back.
    let config = RateLimitConfig::builder().with_burst_size(5).with_requests_per_second(1.0).build()?;
    let limit = RateLimitLayer::new(config).for_grpc();

    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    let stopped = async move {
        interrupt.recv().await;
    };
    Server::builder()
        .layer(limit) // added
        .add_service(GreeterServer::new(Hello))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped)
        .await?;
    Ok(())
}
