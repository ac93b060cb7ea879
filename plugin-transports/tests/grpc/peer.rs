//! The other end of a connection, which does what a test says: a server and a client of bare HTTP/2.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use plugin_core::{PluginError, PluginInstance};
use plugin_transports::grpc::GrpcClient;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{call, config, connect, listener, within};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Answer),
    /// The head of the answer and these bytes, and then the stream is reset.
    Reset(Answer, Reason),
    /// Nothing.
    Hold,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) trailers: Option<HeaderMap>,
}

pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a value");
    pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

/// A message with what stands before it.
pub(crate) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

/// An `ExecuteRequest` or an `ExecuteResponse` with this payload.
pub(crate) fn message(payload: &str) -> Vec<u8> {
    assert!(payload.len() < 128, "one byte of length");
    [&[0x0a, payload.len() as u8][..], payload.as_bytes()].concat()
}

impl Answer {
    /// A head of gRPC, these bytes, and `OK` behind them.
    pub(crate) fn of(data: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: headers(&[("content-type", "application/grpc")]),
            data: vec![data],
            trailers: Some(headers(&[("grpc-status", "0")])),
        }
    }

    /// A reply.
    pub(crate) fn reply(payload: &str) -> Self {
        Self::of(framed(0, &message(payload)))
    }

    /// A status in the head, and nothing behind it.
    pub(crate) fn status(pairs: &[(&'static str, &str)]) -> Self {
        let mut all = headers(pairs);
        all.insert("content-type", HeaderValue::from_static("application/grpc"));
        Self { status: 200, headers: all, data: Vec::new(), trailers: None }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn with_trailers(mut self, pairs: &[(&'static str, &str)]) -> Self {
        self.trailers = Some(headers(pairs));
        self
    }
}

/// A request as the server had it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    /// Every request is handed to `script`.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let (listener, address) = listener().await;
        let peer = Self { address, seen: Arc::default(), accepted: Arc::default() };
        tokio::spawn(accept(listener, Arc::new(script), Arc::clone(&peer.seen), Arc::clone(&peer.accepted)));
        peer
    }

    pub(crate) async fn answering(answer: Answer) -> Self {
        Self::start(move |_| Act::Answer(answer.clone())).await
    }

    pub(crate) fn instance(&self) -> PluginInstance<GrpcClient> {
        connect(config(self.address))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The error of one call to a server that gives this answer.
pub(crate) async fn fault(answer: Answer) -> PluginError {
    let peer = Peer::answering(answer).await;
    call(&peer.instance(), "1").await.expect_err("a fault")
}

type Script = Arc<dyn Fn(&Seen) -> Act + Send + Sync>;

async fn accept(listener: TcpListener, script: Script, seen: Arc<Mutex<Vec<Seen>>>, accepted: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        tokio::spawn(async move {
            let Ok(mut http2) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = http2.accept().await {
                tokio::spawn(converse(request, respond, Arc::clone(&script), Arc::clone(&seen)));
            }
        });
    }
}

async fn converse(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(Ok(data)) = incoming.data().await {
        let _ = incoming.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    let request = Seen { path: head.uri.path().to_owned(), headers: head.headers, body: body.freeze() };
    let act = script(&request);
    seen.lock().expect("no panic").push(request);
    let (answer, reset) = match act {
        Act::Answer(answer) => (answer, None),
        Act::Reset(answer, reason) => (answer, Some(reason)),
        Act::Hold => return std::future::pending().await,
    };
    let mut response = Response::builder().status(answer.status).body(()).expect("a head");
    *response.headers_mut() = answer.headers;
    let ends = answer.data.is_empty() && answer.trailers.is_none() && reset.is_none();
    let Ok(mut stream) = respond.send_response(response, ends) else { return };
    if ends {
        return;
    }
    let last = answer.data.len();
    for (at, data) in answer.data.into_iter().enumerate() {
        let _ = stream.send_data(data.into(), at + 1 == last && answer.trailers.is_none() && reset.is_none());
    }
    if let Some(reason) = reset {
        // What was sent goes first: a reset would take with it what still waits.
        tokio::task::yield_now().await;
        stream.send_reset(reason);
    } else if let Some(trailers) = answer.trailers {
        let _ = stream.send_trailers(trailers);
    }
}

/// What a server answers to a bare request.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Told {
    /// `grpc-status`, wherever it stands.
    pub(crate) fn number(&self) -> &str {
        let status = self.trailers.get("grpc-status").or(self.headers.get("grpc-status"));
        status.map_or("none", |status| status.to_str().expect("text"))
    }

    pub(crate) fn text(&self) -> &str {
        let text = self.trailers.get("grpc-message").or(self.headers.get("grpc-message"));
        text.map_or("", |text| text.to_str().expect("text"))
    }
}

/// A request of gRPC to a method, with what else stands in its head.
pub(crate) fn request(address: SocketAddr, path: &str, more: &[(&'static str, &str)]) -> Request<()> {
    let mut request =
        Request::post(format!("http://{address}{path}")).version(Version::HTTP_2).body(()).expect("a request");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    for (name, value) in &headers(more) {
        request.headers_mut().insert(name, value.clone());
    }
    request
}

/// Sends it on a connection of its own.
pub(crate) async fn ask(request: Request<()>, body: Vec<u8>) -> Told {
    let address = request.uri().authority().expect("an address").to_string();
    within(async move {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let driver = tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("room");
        let (response, mut stream) = sender.send_request(request, false).expect("sent");
        let _ = stream.send_data(body.into(), true);
        let (head, mut incoming) = response.await.expect("an answer").into_parts();
        let mut body = BytesMut::new();
        while let Some(data) = incoming.data().await {
            let data = data.expect("data");
            let _ = incoming.flow_control().release_capacity(data.len());
            body.extend_from_slice(&data);
        }
        let trailers = incoming.trailers().await.expect("trailers").unwrap_or_default();
        driver.abort();
        Told { status: head.status.as_u16(), headers: head.headers, body: body.freeze(), trailers }
    })
    .await
}
