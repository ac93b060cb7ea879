//! A caller of the gateway.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use serde_json::Value;

use super::LIMIT;

/// A caller that keeps its connections.
#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The status and code of what must be a problem document.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        (self.status.as_u16(), problem["code"].as_str().expect("a code").to_owned())
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    /// The answer; none when the connection failed.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let exchange = async {
            let (parts, body) = self.0.request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(LIMIT, exchange).await.expect("in time")
    }

    pub(crate) async fn call(&self, data: SocketAddr, plugin: &str, payload: &str) -> Option<Answer> {
        let request = Request::post(format!("http://{data}/v1/plugins/{plugin}"));
        let request = request.header("content-type", "application/json");
        self.send(request.body(Full::new(Bytes::copy_from_slice(payload.as_bytes()))).expect("valid")).await
    }
}

/// Calls a plugin on a connection of its own.
pub(crate) async fn post(data: SocketAddr, plugin: &str, payload: &str) -> Answer {
    Client::new().call(data, plugin, payload).await.expect("an answer")
}

/// Reads a path on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = Request::get(format!("http://{address}{path}")).body(Full::default()).expect("valid");
    Client::new().send(request).await.expect("an answer")
}

/// Whether the text of `/metrics` has this line.
pub(crate) fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}
