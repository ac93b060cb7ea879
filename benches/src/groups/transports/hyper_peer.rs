//! hyper alone: a connection, a request, its body; and a server that gives the body back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn, server, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use plugin_transports::listen::Listen;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    gate::Gate,
    load::Load,
    site::{At, Over, Site},
};
use crate::harness::Caller;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A server that gives back each body, once the call has passed the gate where there is one.
pub(super) fn serve(site: &Site, version: Version, over: Over, gate: Option<Gate>) -> At {
    match over {
        Over::Unix => {
            let (listener, path) = site.socket();
            site.serve(async move { drop(tokio::spawn(accept(listener, version, None, gate))) });
            At::Socket(path)
        }
        Over::Tcp | Over::Tls => {
            let (listener, address) = site.port();
            let tls = (over == Over::Tls).then(|| TlsAcceptor::from(Arc::clone(&site.certificate.server)));
            site.serve(async move { drop(tokio::spawn(accept(listener, version, tls, gate))) });
            At::Port(address)
        }
    }
}

/// The listeners are those that plugins are served on too; they are in no way of a connection that was accepted.
async fn accept(listener: impl Listen, version: Version, tls: Option<TlsAcceptor>, gate: Option<Gate>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, gate) = (tls.clone(), gate.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => answer(tls.accept(stream).await.expect("a client of this group"), version, gate).await,
                None => answer(stream, version, gate).await,
            }
        });
    }
}

/// How a connection ends is of no interest: the client sees its part.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, version: Version, gate: Option<Gate>) {
    let echo = service_fn(move |request: Request<Incoming>| {
        let gate = gate.clone();
        async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::new(Full::new(body)))
        }
    });
    let io = TokioIo::new(stream);
    _ = match version {
        Version::One => server::conn::http1::Builder::new().serve_connection(io, echo).await,
        Version::Two => server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, echo).await,
    };
}

/// Callers of `server`: over HTTP/1.1 each with a connection of its own, over HTTP/2 all on one.
pub(super) async fn callers(site: &Site, server: At, version: Version, tls: bool, load: &Load) -> Vec<HyperCaller> {
    let uri = match (&server, version) {
        (At::Port(address), Version::Two) => format!("{}://{address}/", if tls { "https" } else { "http" }),
        (At::Socket(_), Version::Two) => "http://localhost/".to_owned(),
        (_, Version::One) => "/".to_owned(),
    };
    let caller =
        |sender| HyperCaller { sender, uri: uri.parse().expect("a URI"), body: load.sent.clone(), back: load.back };
    let connect = async || match &server {
        At::Socket(path) => handshake(UnixStream::connect(path).await.expect("a server"), version).await,
        At::Port(address) => {
            let stream = TcpStream::connect(address).await.expect("a server");
            stream.set_nodelay(true).expect("a socket of TCP");
            if tls {
                let name = ServerName::try_from("localhost").expect("a name");
                let connector = TlsConnector::from(Arc::clone(&site.certificate.client));
                handshake(connector.connect(name, stream).await.expect("a certificate"), version).await
            } else {
                handshake(stream, version).await
            }
        }
    };
    match version {
        Version::One => {
            let mut callers = Vec::with_capacity(load.callers);
            for _ in 0..load.callers {
                callers.push(caller(connect().await));
            }
            callers
        }
        Version::Two => {
            let Sender::Two(shared) = connect().await else { unreachable!("it was asked for") };
            (0..load.callers).map(|_| caller(Sender::Two(shared.clone()))).collect()
        }
    }
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, version: Version) -> Sender {
    let io = TokioIo::new(stream);
    match version {
        Version::One => {
            let (sender, connection) = conn::http1::handshake(io).await.expect("a connection");
            tokio::spawn(connection);
            Sender::One(sender)
        }
        Version::Two => {
            let executor = TokioExecutor::new();
            let (sender, connection) = conn::http2::handshake(executor, io).await.expect("a connection");
            tokio::spawn(connection);
            Sender::Two(sender)
        }
    }
}

enum Sender {
    One(conn::http1::SendRequest<Full<Bytes>>),
    Two(conn::http2::SendRequest<Full<Bytes>>),
}

pub(super) struct HyperCaller {
    sender: Sender,
    uri: Uri,
    body: Bytes,
    /// The length of an answer; none where it differs from call to call.
    back: Option<usize>,
}

const HOST: HeaderValue = HeaderValue::from_static("localhost");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Caller for HyperCaller {
    async fn call(&mut self) {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        let response = match &mut self.sender {
            Sender::One(sender) => {
                request.headers_mut().insert(header::HOST, HOST);
                sender.ready().await.expect("an open connection");
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await.expect("an open connection");
                sender.send_request(request).await
            }
        };
        let response = response.expect("an answer");
        assert!(response.status().is_success(), "{}", response.status());
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        assert!(self.back.is_none_or(|length| body.len() == length), "{} bytes came back", body.len());
    }
}
