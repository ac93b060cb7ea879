//! A server that ends with the measurement.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::Ipv4Addr,
    thread,
};

use tokio::{net::TcpListener, sync::oneshot};

/// The other side of `Program::child`: listens, says where, and serves until standard input is closed.
pub(super) async fn serve_child<F: Future<Output = ()>>(serve: impl FnOnce(TcpListener) -> F) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(text)?;
    let mut out = io::stdout();
    writeln!(out, "{}", listener.local_addr().map_err(text)?).and_then(|()| out.flush()).map_err(text)?;
    let (end, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        // Whatever it is that comes, the end of it is what is waited for.
        _ = io::stdin().read_to_end(&mut Vec::new());
        drop(end);
    });
    tokio::select! {
        () = serve(listener) => Err("no connection can be accepted any more".to_owned()),
        _ = ended => Ok(()),
    }
}
