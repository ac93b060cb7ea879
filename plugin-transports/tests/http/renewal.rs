//! Certificates, keys and authorities that are replaced while both sides run.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use plugin_core::{Call, Code, Reply, clock};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    listen::Serving,
    tls::{ClientTlsConfig, ServerTls, ServerTlsConfig},
};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    secrets::Output,
    support::{PATIENCE, call, connect, connection, listener, within},
    test_files::Files,
};

async fn serving(tls: ServerTls) -> Serving {
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    serve(plugin, listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address")
}

fn at(serving: &Serving) -> plugin_transports::http::HttpConfigBuilder {
    HttpConfig::builder("p", format!("https://localhost:{}/", serving.local_addr().port()))
}

async fn raw(serving: &Serving, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(serving.local_addr()).await?;
    TlsConnector::from(config).connect("localhost".try_into().expect("a name"), stream).await
}

/// Calls over a connection that a test holds, as often as it wants.
async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n";
    stream.write_all(format!("{head}{{\"data\":1}}").as_bytes()).await?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"}") {
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

/// Until this is so; the files are looked at once a second.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async { while !is_so().await {} };
    tokio::time::timeout(PATIENCE, wait).await.expect("it never comes about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_under_load_drops_no_connection_and_fails_no_call() {
    const CALLERS: usize = 64;
    let files = Files::new();
    let (cert, key) = files.leaf("live");
    let tls = ServerTlsConfig::new(&cert, &key).build().expect("good files");
    let serving = serving(tls.clone()).await;
    let client = ClientTlsConfig::new().with_ca_file(files.ca()).build().expect("good files");
    let mut old = raw(&serving, client.current()).await.expect("a connection");
    assert!(ask(&mut old).await.expect("an answer").starts_with("HTTP/1.1 200"));

    // Three kinds of clients: connections for all, connections that are kept, and a new one for each call.
    let auth = AuthConfig::none().with_ca_file(files.ca());
    let kept = connection(|config| config.with_max_connections(CALLERS).with_max_idle_connections(CALLERS));
    let fresh = connection(|config| config.with_max_connections(CALLERS).with_keep_alive(false));
    let plugins = Arc::new([
        connect(at(&serving).with_auth(auth.clone()).with_version(HttpVersion::Http2)),
        connect(at(&serving).with_auth(auth.clone()).with_version(HttpVersion::Http1).with_connection(kept)),
        connect(at(&serving).with_auth(auth).with_connection(fresh)),
    ]);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|index| {
            let (plugins, stop, answered) = (Arc::clone(&plugins), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    call(&plugins[index % 3], "1").await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, plugin_core::PluginError>(())
            })
        })
        .collect();
    let more_answers = async |count: usize| {
        let due = answered.load(Ordering::Relaxed) + count;
        until(async || {
            tokio::task::yield_now().await;
            answered.load(Ordering::Relaxed) >= due || callers.iter().any(tokio::task::JoinHandle::is_finished)
        })
        .await;
    };

    more_answers(200).await;
    // The certificate comes before its key, and for a while the two do not belong together.
    let (new_cert, new_key) = files.leaf("renewed");
    fs::copy(&new_cert, &cert).expect("a copy");
    until(async || tls.status().refused().is_some()).await;
    more_answers(200).await;
    fs::copy(&new_key, &key).expect("a copy");
    let before = shown(&old);
    until(async || shown(&raw(&serving, client.current()).await.expect("a connection")) != before).await;
    more_answers(200).await;
    stop.store(true, Ordering::Relaxed);
    for caller in within(join_all(callers)).await {
        caller.expect("no panic").expect("no call fails");
    }
    assert!(ask(&mut old).await.expect("the old connection lives").starts_with("HTTP/1.1 200"));
    assert_eq!(tls.status().renewals(), 1);
    serving.shutdown(Duration::from_secs(5)).await.expect("nothing is left");
}

/// A client that speaks one version alone.
fn client_of(version: &'static SupportedProtocolVersion, files: &Files, cert: &Path, key: &Path) -> ClientConfig {
    let certificates = |path: &Path| {
        let read = CertificateDer::pem_file_iter(path).expect("a file");
        read.collect::<Result<Vec<_>, _>>().expect("certificates")
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&files.ca()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    builder.with_root_certificates(roots).with_client_auth_cert(certificates(cert), key).expect("a pair")
}

#[tokio::test]
async fn no_session_is_resumed_by_an_authority_that_was_taken_away() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (files, others) = (Files::new(), Files::new());
        let (cert, key) = files.leaf("server");
        let clients = files.path("clients.pem");
        fs::copy(files.ca(), &clients).expect("a copy");
        let tls = ServerTlsConfig::new(cert, key).with_client_ca_file(&clients).build().expect("good files");
        let serving = serving(tls).await;
        let (client_cert, client_key) = files.leaf("client");
        let config = Arc::new(client_of(version, &files, &client_cert, &client_key));
        let again = async || {
            let mut stream = raw(&serving, Arc::clone(&config)).await?;
            ask(&mut stream).await?;
            Ok::<_, io::Error>(stream.get_ref().1.handshake_kind())
        };
        assert_eq!(again().await.expect("let in"), Some(HandshakeKind::Full));
        assert_eq!(again().await.expect("let in"), Some(HandshakeKind::Resumed), "{version:?}");
        fs::copy(others.ca(), &clients).expect("a copy");
        until(async || again().await.is_err()).await;
        assert!(again().await.is_err());
    }
}

#[tokio::test]
async fn a_plugin_goes_on_with_the_files_of_its_client_as_they_are() {
    let (files, others) = (Files::new(), Files::new());
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).with_client_ca_file(files.ca()).build().expect("good files");
    let serving = serving(tls).await;
    // Neither the authority nor the certificate is that of the server's people, yet.
    let ca = files.path("trusted.pem");
    fs::copy(others.ca(), &ca).expect("a copy");
    let (client_cert, client_key) = (files.path("me.pem"), files.path("me.key"));
    let copy = |(cert, key): (PathBuf, PathBuf)| {
        fs::copy(cert, &client_cert).expect("a copy");
        fs::copy(key, &client_key).expect("a copy");
    };
    copy(others.leaf("stranger"));
    let auth = AuthConfig::mtls(&client_cert, &client_key).with_ca_file(&ca);
    let instance = connect(at(&serving).with_auth(auth));
    let error = call(&instance, "1").await.expect_err("an authority that is not trusted");
    assert_eq!(error.code(), Code::ConnectionFailed);
    fs::copy(files.ca(), &ca).expect("a copy");
    copy(files.leaf("client"));
    until(async || call(&instance, "1").await.is_ok()).await;
}

#[tokio::test]
async fn a_renewal_is_told_once() {
    let (output, _guard) = Output::begin();
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let serving = serving(ServerTlsConfig::new(cert, key).build().expect("good files")).await;
    let ca = files.path("trusted.pem");
    fs::copy(files.ca(), &ca).expect("a copy");
    // Calls and checks have connections of their own, and each is a new one.
    let fresh = connection(|config| config.with_keep_alive(false));
    let auth = AuthConfig::none().with_ca_file(&ca);
    let instance = connect(at(&serving).with_auth(auth).with_connection(fresh));
    let asked = async || {
        call(&instance, "1").await.expect("an answer");
        assert!(instance.check().await.state.is_serving());
    };
    asked().await;
    fs::write(&ca, [fs::read(&ca).expect("a file"), b"\n".to_vec()].concat()).expect("a file");
    let told = || output.holds_none_of([]).matches("the files of TLS have changed").count();
    until(async || {
        asked().await;
        told() > 0
    })
    .await;
    // Whoever else had the files would find that within a second.
    let found = clock::now();
    while found.elapsed() < Duration::from_secs(2) {
        asked().await;
    }
    assert_eq!(told(), 1);
    assert_eq!(instance.service().tls().expect("it has TLS").status().renewals(), 1);
}
