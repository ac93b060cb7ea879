//! One connection to the API server, over HTTP/1.1. It is for one request at a time: a list, or a watch.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    KubernetesAccess, KubernetesConfig,
    failure::Failure,
    files::{Reader, read_text, unusable},
    resolved::{Resolved, Token},
    server::Server,
    tls,
};
use crate::FaultKind;

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    place: Place,
    token: Token,
    files: Reader,
    /// What reads and writes. It ends with this.
    _driver: JoinSet<()>,
}

/// What a connection is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    server: Server,
    /// The namespace that the access is for, where it says one.
    pub(super) namespace: Option<String>,
}

impl Connection {
    /// Reads the files of the access, connects, and makes sure of who is there.
    pub(super) async fn open(config: &KubernetesConfig, files: &Reader) -> Result<Self, Failure> {
        let limit = config.connect_timeout;
        timeout(limit, Self::connect(config.access.clone(), files.clone())).await.unwrap_or_else(|_| {
            Err(Failure::new(FaultKind::Unreachable, format!("no connection to the API server within {limit:?}")))
        })
    }

    async fn connect(access: KubernetesAccess, files: Reader) -> Result<Self, Failure> {
        let read = move || {
            let access = access.resolve()?;
            let tls = if access.server.is_tls { Some(tls::client(&access)?) } else { None };
            Ok((access, tls))
        };
        let (access, tls) = files.read(read).await?;
        let server = &access.server;
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await;
        let stream = stream.map_err(|error| unreachable(&format!("no connection to {server}"), &error))?;
        keep_alive(&stream);
        match tls {
            None => Self::greet(stream, access, files).await,
            Some((config, name)) => {
                let stream = TlsConnector::from(config).connect(name, stream).await;
                let stream = stream.map_err(|error| unreachable(&format!("no TLS with {server}"), &error))?;
                Self::greet(stream, access, files).await
            }
        }
    }

    async fn greet<S>(stream: S, access: Resolved, files: Reader) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let greeted = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) =
            greeted.map_err(|error| unreachable(&format!("no HTTP with {}", access.server), &error))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Its error is that of the request, too.
            let _ = driver.await;
        });
        let Resolved { server, token, namespace, .. } = access;
        Ok(Self { sender, place: Place { server, namespace }, token, files, _driver: tasks })
    }

    /// Whether it may be asked once more.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Asks for a path, and gives back the head of the answer, whatever its status.
    pub(super) async fn get(&mut self, path: &str, limit: Duration) -> Result<Response<Incoming>, Failure> {
        let asked = async {
            let request = self.request(path).await?;
            let lost = |error: hyper::Error| unreachable("the API server gave no answer", &error);
            self.sender.ready().await.map_err(lost)?;
            self.sender.send_request(request).await.map_err(lost)
        };
        timeout(limit, asked).await.unwrap_or_else(|_| Err(too_slow(limit)))
    }

    async fn request(&self, path: &str) -> Result<Request<Empty<Bytes>>, Failure> {
        let server = &self.place.server;
        let mut request = Request::get(format!("{}{path}", server.path))
            .header(header::HOST, server.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("plugin-discovery/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = self.authorization().await? {
            request = request.header(header::AUTHORIZATION, value);
        }
        request
            .body(Empty::new())
            .map_err(|error| Failure::because(FaultKind::Unreadable, "no request can be made", &error))
    }

    async fn authorization(&self) -> Result<Option<header::HeaderValue>, Failure> {
        let bearer = |token: &str| {
            let value = header::HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| unusable("the token has bytes that no header can have"))?;
            value.set_sensitive(true);
            Ok(Some(value))
        };
        match &self.token {
            Token::None => Ok(None),
            Token::Fixed(token) => bearer(token.expose_secret()),
            Token::File(path) => {
                let path = path.clone();
                bearer(&self.files.read(move || read_text(&path)).await?)
            }
        }
    }
}

pub(super) fn too_slow(limit: Duration) -> Failure {
    Failure::new(FaultKind::Unreachable, format!("the API server gave no answer within {limit:?}"))
}

pub(super) fn unreachable(message: &str, cause: &(dyn Error + 'static)) -> Failure {
    Failure::because(FaultKind::Unreachable, message, cause)
}

/// A peer that is gone without a word is found by the system within a minute or so, long before a watch is due.
fn keep_alive(stream: &TcpStream) {
    let probes = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    // Without it, the bound on silence does the same later.
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes);
    let _ = stream.set_nodelay(true);
}
