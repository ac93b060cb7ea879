//! An HTTP server in the test that fails as it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, http::StatusCode, routing::any};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::program::within;

/// Answers 503 to its first `failures` requests, and 200 with a text to the rest.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start(failures: usize) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        let answer = move || async move {
            // Relaxed: a count, read when the requests that it counts have been answered.
            match seen.fetch_add(1, Ordering::Relaxed) {
                earlier if earlier < failures => (StatusCode::SERVICE_UNAVAILABLE, "out of order"),
                _ => (StatusCode::OK, "a quote"),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(answer))).await });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A response whose body has arrived.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Response<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{address}{path}")).body(Body::empty()).expect("a request");
    let (parts, body) = within(client.request(request)).await.expect("an answer").into_parts();
    let bytes = within(body.collect()).await.expect("a body").to_bytes();
    Response::from_parts(parts, String::from_utf8_lossy(&bytes).into_owned())
}
