//! Downloads: bodies that are streamed piece by piece and declare their length, over HTTP/1.1 and HTTP/2.
//!
//! A server that writes HTTP/1.1 drops such a body at its last byte and never polls it for its end.

use std::{convert::Infallible, net::SocketAddr};

use axum::{Router, body::Body, http::header::CONTENT_LENGTH, response::Response, serve::ListenerExt};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

const PIECE: &[u8] = &[b'x'; 1000];
pub(crate) const LENGTH: usize = 10 * PIECE.len();

/// A response of [`LENGTH`] bytes in ten pieces.
pub(crate) fn whole() -> Response {
    declared(Body::from_stream(stream::iter((0..10).map(|_| Ok::<_, Infallible>(PIECE)))))
}

/// One that declares as much, and stands still after half of it.
pub(crate) fn half() -> Response {
    let pieces = stream::iter((0..5).map(|_| Ok::<_, Infallible>(PIECE)));
    declared(Body::from_stream(pieces.chain(stream::pending())))
}

/// One that declares as much, and breaks off after half of it.
pub(crate) fn broken() -> Response {
    let pieces = stream::iter((0..5).map(|_| Ok(PIECE)));
    declared(Body::from_stream(pieces.chain(stream::iter([Err(std::io::Error::other("broke off"))]))))
}

fn declared(body: Body) -> Response {
    Response::builder().header(CONTENT_LENGTH, LENGTH).body(body).expect("a response")
}

/// Serves both versions until the test's runtime ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    // Small pieces would wait for each other's acknowledgement.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// The versions, and a client of each.
pub(crate) fn clients() -> [(&'static str, Reader); 2] {
    [("HTTP/1.1", false), ("HTTP/2", true)]
        .map(|(version, two)| (version, Reader(Client::builder(TokioExecutor::new()).http2_only(two).build_http())))
}

pub(crate) struct Reader(Client<HttpConnector, Full<Bytes>>);

impl Reader {
    async fn get(&self, address: SocketAddr) -> Option<http::Response<Incoming>> {
        self.0.get(format!("http://{address}/").parse().expect("a uri")).await.ok()
    }

    /// Reads to the end, and gives the status and how much came; `None` when it broke off, which may overtake a head
    /// that is not sent yet.
    pub(crate) async fn read(&self, address: SocketAddr) -> Option<(u16, usize)> {
        let response = self.get(address).await?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes().len()))
    }

    /// Asks for the head alone, and gives the status.
    pub(crate) async fn head(&self, address: SocketAddr) -> Option<u16> {
        let request = http::Request::head(format!("http://{address}/")).body(Full::default()).expect("a request");
        let response = self.0.request(request).await.ok()?;
        assert!(response.headers().contains_key(CONTENT_LENGTH), "a length is declared, and nothing comes");
        let status = response.status().as_u16();
        response.into_body().collect().await.ok()?.to_bytes().is_empty().then_some(status)
    }

    /// Reads the first piece and goes away.
    pub(crate) async fn leave(self, address: SocketAddr) {
        let mut body = self.get(address).await.expect("a response").into_body();
        body.frame().await.expect("a frame").expect("whole");
    }
}
