//! A plugin that is served over HTTP.
//!
//! `http-plugin [ADDRESS]`

use std::{env, time::Duration};

use plugin_core::{BoxError, Call, PluginError, Reply};
use plugin_transports::{http, inproc, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3004".to_owned());
    let mut interrupt = signal(SignalKind::interrupt())?;
    let greeter = inproc::plugin_fn(|call: Call<String>| async move {
        Ok::<_, PluginError>(Reply::new(format!("hello {}", call.payload())))
    });
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let server = http::serve(json::serve(greeter), listener, http::ServerOptions::new())?;
    println!("listening on {}", server.local_addr());
    interrupt.recv().await;
    server.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
