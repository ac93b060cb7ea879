//! What all the programs call: a server that does as little as a server can.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Builder};

use super::serve::serve_child;

/// This program as the backend.
pub(super) const KIND: &str = "backend";

/// Bytes of a request's body, and of an answer's.
pub(super) const BODY: usize = 1024;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body of a request: an object.
pub(super) fn request() -> Bytes {
    filled(r#"{"id":7,"note":""#, r#""}"#)
}

/// A body of an answer: the envelope of a plugin over HTTP, so that the gateway can read it. To the others it is as good as any.
pub(super) fn answer() -> Bytes {
    filled(r#"{"data":{"id":7,"note":""#, r#""}}"#)
}

fn filled(before: &str, behind: &str) -> Bytes {
    format!("{before}{}{behind}", "x".repeat(BODY - before.len() - behind.len())).into()
}

pub(super) fn run() -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(serve_child(accept))
}

pub(super) async fn accept(listener: TcpListener) {
    let answer = answer();
    while let Ok((stream, _)) = listener.accept().await {
        // A connection without it is slower, and still one.
        _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                // A check of health, which is no part of the load.
                let is_check = request.method() == Method::GET;
                request.into_body().collect().await?;
                let body = if is_check { Bytes::from_static(br#"{"status":"healthy"}"#) } else { answer };
                let mut response = Response::new(Full::new(body));
                response.headers_mut().insert(header::CONTENT_TYPE, JSON);
                Ok::<_, hyper::Error>(response)
            }
        });
        // How it ends is of no interest here: its client has its part of it.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_the_table_says() {
        assert_eq!((request().len(), answer().len()), (BODY, BODY));
    }
}
