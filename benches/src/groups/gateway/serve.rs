//! A server that ends with the measurement.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use tokio::{net::TcpListener, sync::oneshot};

/// The other side of `Program::child`: listens, says where, and serves until standard input is closed.
pub(super) async fn serve_child<F: Future<Output = ()>>(serve: impl FnOnce(TcpListener) -> F) -> Result<(), String> {
    let listener = listen().await?;
    let ended = say_where(listener.local_addr().map_err(|error| error.to_string())?)?;
    tokio::select! {
        () = serve(listener) => Err("no connection can be accepted any more".to_owned()),
        () = ended => Ok(()),
    }
}

/// A listener on a free port.
pub(super) async fn listen() -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())
}

/// Says where this child listens. What it returns is complete when standard input is closed.
pub(super) fn say_where(address: SocketAddr) -> Result<impl Future<Output = ()>, String> {
    let mut out = io::stdout();
    writeln!(out, "{address}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    let (end, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        // Whatever it is that comes, the end of it is what is waited for.
        _ = io::stdin().read_to_end(&mut Vec::new());
        drop(end);
    });
    Ok(async move { _ = ended.await })
}
