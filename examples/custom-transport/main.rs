//! A transport of one's own under the layers of the family: length-prefixed frames over TCP.
//!
//! `custom-transport serve [ADDRESS]` is a plugin that writes texts in capitals;
//! `custom-transport call ADDRESS TEXT...` calls it.

#[cfg(test)]
mod conformance;
mod frame;
mod server;
#[cfg(test)]
mod tests;
mod transport;

use std::{env, time::Duration};

use bytes::Bytes;
use plugin_breaker::CircuitBreakerLayer;
use plugin_core::{BoxError, Call, PluginError, Reply, deadline::DeadlineLayer};
use plugin_retry::{RetryConfig, RetryLayer};
use plugin_transports::inproc::plugin_fn;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match *args {
        ["serve"] => serve("127.0.0.1:3003").await,
        ["serve", address] => serve(address).await,
        ["call", address, ref texts @ ..] => call(address, texts).await,
        _ => Err("usage: custom-transport serve [ADDRESS] | call ADDRESS TEXT...".into()),
    }
}

async fn call(address: &str, texts: &[&str]) -> Result<(), BoxError> {
    let instance = transport::connect("capitals", address).await?;
    println!("{} is {}", instance.info().name, instance.check().await.state);

    // A text may be written in capitals twice, so a lost connection is worth a second attempt even if the request had
    // been sent.
    let retry = RetryConfig::builder().with_idempotent(true).build()?;
    let plugin = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        .layer(RetryLayer::new(retry))
        .layer(CircuitBreakerLayer::default())
        .service(instance.service().clone());
    for text in texts {
        match plugin.clone().oneshot(Call::new(Bytes::copy_from_slice(text.as_bytes()))).await {
            Ok(reply) => println!("{}", String::from_utf8_lossy(reply.payload())),
            Err(error) => println!("{error}"),
        }
    }
    instance.close(Duration::from_secs(5)).await?;
    Ok(())
}

async fn serve(address: &str) -> Result<(), BoxError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on {}", listener.local_addr()?);
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        ended = server::serve(listener, plugin_fn(capitals)) => Ok(ended?),
    }
}

async fn capitals(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    match std::str::from_utf8(call.payload()) {
        Ok(text) => Ok(Reply::new(text.to_uppercase().into())),
        Err(error) => Err(PluginError::execution(format!("the text is not UTF-8: {error}"))),
    }
}
