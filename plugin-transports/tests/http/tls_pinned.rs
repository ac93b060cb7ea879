//! Certificates as `openssl req -x509` makes them, who shows one, and under which name a server was asked for.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use plugin_core::{Code, PluginError, Sent};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpConfigBuilder, HttpVersion},
    listen::{ListenOptions, Serving, serve_http},
    tls::{PeerCertificate, ServerTlsConfig},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tower::service_fn;

use crate::{
    support::{call, connect, listener, within},
    test_files::Files,
    tls_raw::{self, BOTH, certified},
};

/// What `openssl req -x509 -subj /CN=... -addext subjectAltName=...` makes: it signs itself, and says `CA:TRUE`.
fn plain(files: &Files, file: &str, host: &str) -> (PathBuf, PathBuf) {
    let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, format!("of {host}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let cert = files.write(&format!("{file}.pem"), certificate.pem().as_bytes());
    (cert, files.write(&format!("{file}.key"), key.serialize_pem().as_bytes()))
}

fn at(port: u16) -> HttpConfigBuilder {
    HttpConfig::builder("p", format!("https://localhost:{port}/"))
}

/// Answers with what it knows of who calls.
async fn telling(tls: ServerTlsConfig) -> Serving {
    let service = service_fn(async |request: http::Request<Incoming>| {
        let shown = request.extensions().get::<PeerCertificate>();
        let told =
            shown.map(|certificate| (certificate.names().to_vec(), certificate.common_name().map(str::to_owned)));
        let body = serde_json::json!({ "data": told });
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body.to_string()))))
    });
    let options = ListenOptions::new().with_tls(tls.build().expect("good files"));
    serve_http(service, listener().await.0, options).expect("an address")
}

#[tokio::test]
async fn the_very_certificate_that_is_named_is_trusted_and_another_one_explained() {
    let files = Files::new();
    let (cert, key) = plain(&files, "own", "localhost");
    let (other, _) = plain(&files, "other", "localhost");
    for version in BOTH {
        let port = tls_raw::serve(tls_raw::config(&[version], None, certified(&cert, &key))).await;
        let with = |ca: &PathBuf| {
            let auth = AuthConfig::none().with_ca_file(ca);
            connect(at(port).with_auth(auth).with_version(HttpVersion::Http1))
        };
        assert!(call(&with(&cert), "1").await.is_ok(), "it is pinned");
        for ca in [&other, &files.ca()] {
            let error = call(&with(ca), "1").await.expect_err("another one is pinned");
            is_told(&error, "CA:TRUE");
            is_told(&error, "in `ca_file`: name this very certificate there");
        }
    }
}

#[track_caller]
fn is_told(error: &PluginError, says: &str) {
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::ConnectionFailed, false, Sent::Nothing));
    assert!(error.message().contains(says), "{says:?} is not in {error}");
}

#[tokio::test]
async fn a_pinned_certificate_must_have_the_name_and_whoever_shows_it_the_key() {
    let files = Files::new();
    let (cert, key) = plain(&files, "own", "elsewhere.example");
    let (_, wrong_key) = plain(&files, "other", "localhost");
    let (local, _) = plain(&files, "local", "localhost");
    for version in BOTH {
        for (cert, key, says) in
            [(&cert, &key, "is for elsewhere.example, and not for "), (&local, &wrong_key, "BadSignature")]
        {
            let port = tls_raw::serve(tls_raw::config(&[version], None, certified(cert, key))).await;
            let error = call(&connect(at(port).with_auth(AuthConfig::none().with_ca_file(cert))), "1").await;
            is_told(&error.expect_err("not this one"), says);
        }
    }
}

#[tokio::test]
async fn a_server_knows_who_its_client_is_and_takes_the_very_certificate_that_is_named() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let (own, own_key) = plain(&files, "own", "client.example");
    let (other, other_key) = plain(&files, "other", "client.example");
    let (issued, issued_key) = files.leaf_with("issued", &["spiffe.example", "10.0.0.1"], -1, 30);
    let server = |client_ca| telling(ServerTlsConfig::new(&cert, &key).with_client_ca_file(client_ca));
    let (pinned, chained) = (server(own.clone()).await, server(files.ca()).await);
    let auth = |cert: &PathBuf, key: &PathBuf| AuthConfig::mtls(cert, key).with_ca_file(files.ca());
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        let instance =
            |serving: &Serving, auth| connect(at(serving.local_addr().port()).with_auth(auth).with_version(http));
        let reply = call(&instance(&pinned, auth(&own, &own_key)), "1").await.expect("it is pinned");
        assert_eq!(reply.payload(), r#"[["client.example"],"of client.example"]"#);
        let reply = call(&instance(&chained, auth(&issued, &issued_key)), "1").await.expect("its authority is named");
        assert!(reply.payload().starts_with(br#"[["spiffe.example","10.0.0.1"],"#), "{:?}", reply.payload());
        for serving in [&pinned, &chained] {
            let error = call(&instance(serving, auth(&other, &other_key)), "1").await.expect_err("a stranger");
            is_told(&error, "it does not accept the certificate in `cert_file`");
        }
    }
    let open = telling(ServerTlsConfig::new(&cert, &key)).await;
    let instance = connect(at(open.local_addr().port()).with_auth(auth(&own, &own_key)));
    assert_eq!(call(&instance, "1").await.expect("nobody is asked").payload(), "null");
}

#[tokio::test]
async fn a_server_hears_by_which_name_it_is_called() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let config = Arc::new(tls_raw::config(BOTH, None, certified(&cert, &key)));
    for (host, expected) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let (listener, address) = listener().await;
        let auth = AuthConfig::none().with_ca_file(files.ca());
        let endpoint = format!("https://{host}:{}/", address.port());
        let instance = connect(HttpConfig::builder("p", endpoint).with_auth(auth));
        let calling = call(&instance, "1");
        let hearing = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await.expect("a greeting");
            let name = hello.client_hello().server_name().map(str::to_owned);
            drop(hello.into_stream(Arc::clone(&config)).await);
            drop(listener);
            name
        };
        let (_, name) = within(async { tokio::join!(calling, hearing) }).await;
        assert_eq!(name.as_deref(), expected);
    }
}
