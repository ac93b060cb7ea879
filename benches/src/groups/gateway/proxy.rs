//! The least that one can write with hyper that carries requests on: its server, its client with the pool of hyper-util, and
//! nothing between them.

use std::net::SocketAddr;

use http::{Request, Uri, uri};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime::Builder};

use super::{program::BACKEND, serve::serve_child};

/// This program as the proxy.
pub(super) const KIND: &str = "proxy";

pub(super) fn run() -> Result<(), String> {
    let backend = std::env::var(BACKEND).map_err(|error| format!("{BACKEND}: {error}"))?;
    let backend = backend.parse().map_err(|error| format!("{BACKEND}={backend}: {error}"))?;
    // As many threads as there are cores, which is what the gateway has too.
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(serve_child(move |listener| accept(listener, backend)))
}

async fn accept(listener: TcpListener, backend: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    while let Ok((stream, _)) = listener.accept().await {
        // A connection without it is slower, and still one.
        _ = stream.set_nodelay(true);
        let client = client.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            *request.uri_mut() = at(&backend, request.uri());
            client.request(request)
        });
        // How it ends is of no interest here: its client has its part of it.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The same path at the backend.
fn at(backend: &SocketAddr, asked: &Uri) -> Uri {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(backend.to_string().parse().expect("an address is an authority"));
    parts.path_and_query = asked.path_and_query().cloned().or_else(|| Some(uri::PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("it has all three parts")
}
