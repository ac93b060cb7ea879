//! Servers over HTTP that are broken.

use std::{any::Any, convert::Infallible, io, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use hyper::body::Incoming;
use plugin_core::BoxError;
use plugin_transports::{
    conformance::Fault,
    listen::{ListenOptions, serve_http},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::service_fn;

use crate::http::Bound;

/// Serves this fault; what it gives has to be kept.
pub(crate) fn serve(
    fault: Fault,
    max_reply: usize,
    bound: Bound,
    options: ListenOptions,
) -> Result<Box<dyn Any + Send>, BoxError> {
    let service = service_fn(move |request: Request<Incoming>| answer(fault, max_reply, request));
    Ok(match bound {
        Bound::Tcp(listener) if fault == Fault::Twice => Box::new(tokio::spawn(twice(listener))),
        Bound::Tcp(listener) => Box::new(serve_http(service, listener, options)?),
        Bound::Unix(listener) => Box::new(serve_http(service, listener, options)?),
    })
}

async fn answer(fault: Fault, max_reply: usize, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    let _ = to_bytes(Body::new(request.into_body()), 1 << 20).await?;
    let body = match fault {
        Fault::Garbage => Body::from(r#"{"data":NaN}"#),
        Fault::InvalidUtf8 => Body::from(&b"{\"data\":\"\xff\xfe\"}"[..]),
        Fault::Truncated => Body::from(r#"{"data":[1,"#),
        Fault::Reset => {
            let part = stream::iter([Ok(Bytes::from_static(b"{\"data\":[1,"))]);
            let end = stream::once(async {
                // The first part is on its way.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::Error::other("as told"))
            });
            Body::from_stream(part.chain(end))
        }
        Fault::HalfClosed => return Err("as told".into()),
        Fault::SlowLoris => Body::from_stream(drip()),
        Fault::Oversized => Body::from(format!(r#"{{"data":"{}"}}"#, "x".repeat(max_reply + (64 << 10)))),
        _ => std::future::pending().await,
    };
    Ok(Response::builder().header("content-type", "application/json").body(body)?)
}

/// A byte now and then.
fn drip() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::iter(br#"{"data":"and so on"#.iter().cycle()).then(|byte| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Bytes::copy_from_slice(&[*byte]))
    })
}

async fn twice(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_twice(stream));
    }
}

async fn answer_twice(mut stream: TcpStream) -> io::Result<()> {
    while let Some(payload) = request(&mut stream).await {
        let body = format!(r#"{{"data":{}}}"#, payload["value"]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        let one = format!("{head} {}\r\n\r\n{body}", body.len());
        stream.write_all(format!("{one}{one}").as_bytes()).await?;
    }
    Ok(())
}

/// The payload of the next request.
async fn request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        if let (Some(end), Some(length)) = (text.find("\r\n\r\n"), length)
            && let Some(body) = bytes.get(end + 4..end + 4 + usize::min(length, 1 << 20))
        {
            return Some(serde_json::from_slice::<Value>(body).ok()?["data"].take());
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
