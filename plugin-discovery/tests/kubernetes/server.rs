//! An API server that says what the test wants, over TLS on a real socket. It looks at each request and the test answers it.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::within;

/// An authority, as a file, and what it vouches for.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let authority = Self { dir: tempfile::tempdir().expect("a directory"), issuer };
        authority.write("ca.crt", &authority.issuer.pem());
        authority
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        // As Kubernetes does it: never half a file.
        fs::write(path.with_extension("new"), text).expect("a file");
        fs::rename(path.with_extension("new"), &path).expect("a file");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names, and its key.
    pub(crate) fn leaf(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (
            self.write(&format!("{name}.pem"), &certificate.pem()),
            self.write(&format!("{name}.key"), &key.serialize_pem()),
        )
    }
}

pub(crate) fn tls(authority: &Authority, wants_certificates: bool) -> ServerConfig {
    let (cert, key) = authority.leaf("server", &["127.0.0.1"]);
    let read = |path: &Path| fs::read(path).expect("a file");
    let chain = CertificateDer::pem_slice_iter(&read(&cert)).collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(&read(&key)).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if wants_certificates {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate")).expect("one");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("one");
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain, key).expect("a certificate and its key")
}

pub(crate) struct ApiServer {
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let authority = Authority::new();
        let tls = tls(&authority, false);
        Self::start_with(authority, tls).await
    }

    pub(crate) async fn start_with(authority: Authority, tls: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections += 1;
                let (acceptor, tell) = (acceptor.clone(), tell.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        read_request(stream, connections, tell).await;
                    }
                });
            }
        });
        Self { authority, address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The next request. Time goes on by half a second for as long as there is none, so that no wait is waited for.
    pub(crate) async fn asked(&mut self) -> Asked {
        within(async {
            loop {
                if let Some(asked) = self.asked_within(Duration::from_millis(10)).await {
                    return asked;
                }
                skip(Duration::from_millis(500)).await;
            }
        })
        .await
    }

    /// The next request, if one comes within this time of the machine.
    pub(crate) async fn asked_within(&mut self, time: Duration) -> Option<Asked> {
        tokio::time::timeout(time, self.asked.recv()).await.ok().map(|asked| asked.expect("the server runs"))
    }

    /// The next request is for a page of the list.
    pub(crate) async fn list(&mut self) -> Asked {
        let asked = self.asked().await;
        assert!(!asked.query.contains_key("watch"), "{:?}", asked.query);
        asked
    }

    /// The next request is for a watch from this version.
    pub(crate) async fn watch(&mut self, version: &str) -> Asked {
        let asked = self.asked().await;
        assert_eq!(asked.query.get("watch").map(String::as_str), Some("true"), "{:?}", asked.query);
        assert_eq!(asked.query["resourceVersion"], version);
        asked
    }
}

/// Lets so much time go by at once.
pub(crate) async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

type Stream = TlsStream<TcpStream>;

/// A request that has come, and waits for what the test answers. Dropping it ends the connection in the middle.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// The number of the connection that it came on, from 1.
    pub(crate) connection: usize,
    stream: Stream,
    tell: mpsc::UnboundedSender<Asked>,
}

async fn read_request(mut stream: Stream, connection: usize, tell: mpsc::UnboundedSender<Asked>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a target").to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let asked = Asked { path: path.to_owned(), query, headers, connection, stream, tell: tell.clone() };
    // The test may have ended.
    let _ = tell.send(asked);
}

impl Asked {
    pub(crate) async fn answer(self, status: u16, body: impl AsRef<[u8]>) {
        self.answer_with(status, "", body).await;
    }

    /// `headers` are whole lines.
    pub(crate) async fn answer_with(mut self, status: u16, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.stream.write_all(head.as_bytes()).await.expect("they listen");
        self.stream.write_all(body).await.expect("they listen");
        self.stream.flush().await.expect("they listen");
        tokio::spawn(read_request(self.stream, self.connection, self.tell));
    }

    /// Begins with an answer that has no end yet.
    pub(crate) async fn begin(mut self) -> Watch {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        self.stream.write_all(head).await.expect("they listen");
        self.stream.flush().await.expect("they listen");
        Watch(self)
    }
}

/// A watch that goes on. Dropping it ends the connection in the middle.
pub(crate) struct Watch(Asked);

impl Watch {
    pub(crate) async fn event(&mut self, kind: &str, object: &Value) {
        self.bytes(format!("{}\n", serde_json::json!({"type": kind, "object": object})).as_bytes()).await;
    }

    /// One chunk.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        let stream = &mut self.0.stream;
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).await.expect("they listen");
        stream.flush().await.expect("they listen");
    }

    /// Ends it in order; the connection stays.
    pub(crate) async fn end(mut self) {
        self.0.stream.write_all(b"0\r\n\r\n").await.expect("they listen");
        self.0.stream.flush().await.expect("they listen");
        let Asked { stream, connection, tell, .. } = self.0;
        tokio::spawn(read_request(stream, connection, tell));
    }

    /// Whether the other side has closed the connection, or does so soon.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(within(self.0.stream.read(&mut [0; 16])).await, Ok(0) | Err(_))
    }
}
