//! What a call is told when one side does not accept the other, whatever the version of TLS and of HTTP: by name, with nothing
//! sent, and not worth a second attempt.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply, Sent};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpConfigBuilder, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    listen::ListenOptions,
    tls::{ServerTlsConfig, TlsVersion},
};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    secrets::Output,
    support::{Scripted, call, connect, listener, ok, within},
    test_files::Files,
    tls_raw::{self, BOTH, by_authority, certified},
};

fn at(port: u16) -> HttpConfigBuilder {
    HttpConfig::builder("p", format!("https://localhost:{port}/"))
}

/// The error is that of a connection that will not come about the next time either.
#[track_caller]
fn is_refused(error: &PluginError, says: &[&str]) {
    assert_eq!(
        (error.code(), error.is_retryable(), error.sent()),
        (Code::ConnectionFailed, false, Sent::Nothing),
        "{error:?}"
    );
    for part in says {
        assert!(error.message().contains(part), "{part:?} is not in {error}");
    }
}

/// In a hundred days.
#[derive(Debug)]
struct Later;

impl TimeProvider for Later {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + 100 * 86_400)))
    }
}

/// A certificate that nobody vouches for.
fn stranger(files: &Files) -> (PathBuf, PathBuf) {
    let mut params = rcgen::CertificateParams::new(["client.example".to_owned()]).expect("a name");
    params.distinguished_name.push(rcgen::DnType::CommonName, "a stranger");
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let cert = files.write("stranger.pem", certificate.pem().as_bytes());
    (cert, files.write("stranger.key", key.serialize_pem().as_bytes()))
}

#[tokio::test]
async fn a_client_that_is_not_accepted_hears_why_under_either_version() {
    let (files, others) = (Files::new(), Files::new());
    let (cert, key) = files.leaf_valid("server", -1, 300);
    let ca = || AuthConfig::none().with_ca_file(files.ca());
    let shows = |(cert, key): (PathBuf, PathBuf)| ca().with_client_certificate(cert, key);
    for version in BOTH {
        let server = |later: bool| {
            let mut config = tls_raw::config(&[version], Some(by_authority(&files)), certified(&cert, &key));
            if later {
                config.time_provider = Arc::new(Later);
            }
            tls_raw::serve(config)
        };
        let (now, later) = (server(false).await, server(true).await);
        for (port, auth, says) in [
            (now, ca(), "certificate required (TLS alert 116); it asks for a client certificate"),
            (now, shows(stranger(&files)), "unknown ca (TLS alert 48); it does not accept the certificate"),
            // Of an authority that has the right name and another key.
            (now, shows(others.leaf("stranger")), "decrypt error (TLS alert 51); a signature of this side"),
            (later, shows(files.leaf("client")), "certificate expired (TLS alert 45)"),
        ] {
            for http in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Auto] {
                let instance = connect(at(port).with_auth(auth.clone()).with_version(http));
                // What comes first, the alert or the request, is not the same each time.
                for _ in 0..20 {
                    let error = call(&instance, "1").await.expect_err("a refusal");
                    is_refused(
                        &error,
                        &["no TLS connection to https://localhost:", "it refused the handshake: ", says],
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn many_calls_on_one_connection_that_is_refused_are_one_piece_of_evidence() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).with_client_ca_file(files.ca()).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address");
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        let auth = AuthConfig::bearer("t").with_ca_file(files.ca());
        let instance = connect(at(serving.local_addr().port()).with_auth(auth).with_version(http));
        let calls = within(futures_util::future::join_all((0..20).map(|_| call(&instance, "1")))).await;
        for error in calls.into_iter().map(|result| result.expect_err("a refusal")) {
            is_refused(&error, &["certificate required"]);
        }
        assert!(instance.check().await.message.contains("certificate required"));
    }
}

#[tokio::test]
async fn what_a_server_says_before_its_certificate_is_told_by_name() {
    for (alert, says) in [
        (40, "handshake failure (TLS alert 40)"),
        (42, "bad certificate (TLS alert 42)"),
        (70, "protocol version (TLS alert 70); it does not speak the versions"),
        (112, "unrecognised name (TLS alert 112)"),
        (120, "no application protocol (TLS alert 120)"),
    ] {
        let error = fault_of_alert(alert).await;
        is_refused(&error, &[says]);
    }
    // The server is not well, which may pass.
    let error = fault_of_alert(80).await;
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::ConnectionFailed, true, Sent::Nothing));
    assert!(error.message().contains("internal error"), "{error}");
}

/// Of a call to a server that answers each greeting with this alert.
async fn fault_of_alert(alert: u8) -> PluginError {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    call(&connect(at(address.port())), "1").await.expect_err("a refusal")
}

#[tokio::test]
async fn versions_that_do_not_meet_are_named_on_either_side() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let old = tls_raw::serve(tls_raw::config(&BOTH[..1], None, certified(&cert, &key))).await;
    let auth = || AuthConfig::none().with_ca_file(files.ca());
    let error = call(&connect(at(old).with_auth(auth().with_min_version(TlsVersion::V1_3))), "1").await;
    is_refused(&error.expect_err("it has 1.2 alone"), &["protocol version"]);
    assert!(call(&connect(at(old).with_auth(auth()).with_version(HttpVersion::Http1)), "1").await.is_ok());

    let tls = ServerTlsConfig::new(cert, key).with_min_version(TlsVersion::V1_3).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address");
    for (version, is_spoken) in [(BOTH[0], false), (BOTH[1], true)] {
        let client = rustls::ClientConfig::builder_with_provider(tls_raw::provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(tls_raw::roots(&files.ca()))
            .with_no_client_auth();
        let stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let connected = within(connector.connect("localhost".try_into().expect("a name"), stream)).await;
        assert_eq!(connected.is_ok(), is_spoken, "{version:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_named_with_its_date() {
    let files = Files::new();
    let (cert, key) = files.leaf_valid("server", -30, -10);
    let port = tls_raw::serve(tls_raw::config(BOTH, None, certified(&cert, &key))).await;
    let error = call(&connect(at(port).with_auth(AuthConfig::none().with_ca_file(files.ca()))), "1").await;
    is_refused(&error.expect_err("expired"), &["its certificate expired ", "days ago"]);
    let (cert, key) = files.leaf_valid("server", 10, 30);
    let port = tls_raw::serve(tls_raw::config(BOTH, None, certified(&cert, &key))).await;
    let error = call(&connect(at(port).with_auth(AuthConfig::none().with_ca_file(files.ca()))), "1").await;
    is_refused(&error.expect_err("early"), &["its certificate is not valid before ", "days from now"]);
}

#[tokio::test]
async fn plain_text_and_tls_that_meet_are_told_apart() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files");
    let plugin = || plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let secure = serve(plugin(), listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address");
    let plain = serve(plugin(), listener().await.0, ServerOptions::new()).expect("an address");
    let scripted = Scripted::answering(ok("{}")).await;
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        let config = HttpConfig::builder("p", format!("http://{}/", secure.local_addr())).with_version(http);
        let instance = connect(config);
        for _ in 0..20 {
            let error = call(&instance, "1").await.expect_err("it speaks TLS");
            // Of HTTP/1.1 the request was written when it spoke.
            let sent = if http == HttpVersion::Http1 { Sent::Maybe } else { Sent::Nothing };
            assert_eq!(
                (error.code(), error.is_retryable(), error.sent()),
                (Code::ConnectionFailed, false, sent),
                "{error}"
            );
            for says in ["speaks TLS, and was sent plain text", "`https`"] {
                assert!(error.message().contains(says), "{error} does not say {says:?}");
            }
        }
        for address in [plain.local_addr(), scripted.address] {
            let config = HttpConfig::builder("p", format!("https://{address}/")).with_version(http);
            let auth = AuthConfig::none().with_ca_file(files.ca());
            let short = crate::support::connection(|config| config.with_connection_timeout(Duration::from_secs(2)));
            let error = call(&connect(config.with_auth(auth).with_connection(short)), "1").await;
            let error = error.expect_err("it speaks plain text");
            assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Nothing), "{error}");
            println!("{http:?} {address}: {error}");
        }
    }
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_handshake_keeps_nobody_out() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let listen = ListenOptions::new().with_max_connections(4).with_head_timeout(Duration::from_millis(200));
    let options = ServerOptions::new().with_listen(listen).with_tls(tls);
    let serving = serve(plugin, listener().await.0, options).expect("an address");
    // The beginning of a greeting, and more of them than the server takes connections.
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
        stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await.expect("it is read");
        stalled.push(stream);
    }
    let auth = AuthConfig::none().with_ca_file(files.ca());
    let instance = connect(at(serving.local_addr().port()).with_auth(auth));
    assert_eq!(call(&instance, "1").await.expect("an answer").payload(), "1");
    for mut stream in stalled {
        let ended = within(stream.read(&mut [0; 64])).await;
        assert!(ended.is_err() || ended.is_ok_and(|count| count == 0), "it is closed");
    }
}

#[tokio::test]
async fn a_server_tells_now_and_then_of_clients_that_come_to_no_tls_and_nothing_of_probes_of_its_port() {
    let (output, _guard) = Output::begin();
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(&cert, &key).with_client_ca_file(files.ca()).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address");
    let port = serving.local_addr().port();
    drop(TcpStream::connect(("127.0.0.1", port)).await.expect("a connection"));
    for _ in 0..3 {
        let config = at(port).with_auth(AuthConfig::none().with_ca_file(files.ca()));
        is_refused(&call(&connect(config), "1").await.expect_err("it has no certificate"), &[]);
    }
    let log = output.holds_none_of([]);
    let told: Vec<_> = log.lines().filter(|line| line.contains("no TLS with a client")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in ["WARN", "peer sent no certificates", "count=1"] {
        assert!(told[0].contains(part), "{part:?} is not in {told:#?}");
    }
}
