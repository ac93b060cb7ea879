//! A tonic client that existed before; the lines marked "added" put a circuit breaker round its channel.
//!
//! `tonic-client ADDRESS NAME...`

mod hello;

use std::{env, error::Error};

use hello::{HelloRequest, greeter_client::GreeterClient};
use plugin_breaker::CircuitBreakerLayer; // added
use tonic::transport::Endpoint;
use tower::Layer; // added

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().ok_or("usage: tonic-client ADDRESS NAME...")?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();

    // Added. A generated client takes any service, so it takes the channel with a layer round it. A call counts when
    // its trailers have come, and a refusal is UNAVAILABLE.
    let channel = CircuitBreakerLayer::default().for_grpc().layer(channel);

    let mut greeter = GreeterClient::new(channel);
    for name in args {
        match greeter.say_hello(HelloRequest { name }).await {
            Ok(reply) => println!("{}", reply.into_inner().message),
            Err(status) => println!("{:?}: {}", status.code(), status.message()),
        }
    }
    Ok(())
}
