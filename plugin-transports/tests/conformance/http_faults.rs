//! Servers over HTTP that are broken.

use std::{convert::Infallible, io, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use hyper::body::Incoming;
use plugin_core::BoxError;
use plugin_transports::{
    conformance::Fault,
    listen::{ListenOptions, serve_http},
    tls::ServerTls,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::service_fn;

use crate::{
    http::{Bound, Kept, Place},
    raw_http2::{self, Frames},
};

/// In how many ways a peer may do this. The row does the first, and a test of its own each.
pub(crate) fn ways(fault: Fault, is_http1: bool) -> &'static [&'static str] {
    match (fault, is_http1) {
        (Fault::Garbage, true) => &["an envelope that is no JSON", "no HTTP", "a chunk that is none"],
        (Fault::Garbage, false) => {
            &["an envelope that is no JSON", "frames that are none", "frames that are none behind a head"]
        }
        (Fault::Twice, true) => &["an answer twice"],
        (Fault::Twice, false) => &["a stream twice"],
        _ => &[""],
    }
}

/// Serves this fault; what it gives has to be kept.
pub(crate) async fn serve(
    fault: Fault,
    way: &'static str,
    max_reply: usize,
    place: &Place,
    tls: Option<ServerTls>,
) -> Result<Kept, BoxError> {
    if way.contains("frames") || way.contains("stream") {
        raw_http2::listen(place, tls, move |frames| over_frames(way, frames)).await?;
        return Ok(Box::new(()));
    }
    let service = service_fn(move |request: Request<Incoming>| answer(fault, max_reply, request));
    let options = tls.into_iter().fold(ListenOptions::new(), ListenOptions::with_tls);
    Ok(match place.bind().await? {
        Bound::Tcp(listener) if matches!(way, "no HTTP" | "a chunk that is none" | "an answer twice") => {
            Box::new(tokio::spawn(raw(way, listener)))
        }
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
        Fault::Unavailable => return Ok(Response::builder().status(503).body(Body::empty())?),
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

async fn over_frames(way: &str, mut frames: Frames) -> io::Result<()> {
    let head = [(":status", "200"), ("content-type", "application/json")];
    loop {
        let request = frames.request().await?;
        let body = format!(r#"{{"data":{}}}"#, request.value());
        if way != "frames that are none" {
            frames.head(request.stream, &head).await?;
        }
        if way != "a stream twice" {
            frames.bytes(&[0xff; 64]).await?;
            continue;
        }
        frames.last_data(request.stream, body.as_bytes()).await?;
        frames.head(request.stream, &head).await?;
        frames.last_data(request.stream, body.as_bytes()).await?;
    }
}

async fn raw(way: &'static str, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_raw(way, stream));
    }
}

async fn answer_raw(way: &str, mut stream: TcpStream) -> io::Result<()> {
    while let Some(payload) = request(&mut stream).await {
        let body = format!(r#"{{"data":{}}}"#, payload["value"]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let one = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let bytes = match way {
            "no HTTP" => "220 mail.example ESMTP\r\n\r\n".to_owned(),
            "a chunk that is none" => format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{body}"),
            _ => format!("{one}{one}"),
        };
        stream.write_all(bytes.as_bytes()).await?;
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
