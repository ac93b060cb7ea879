//! More certificates than a handshake takes, on either side.

use std::{fmt::Write, sync::Arc};

use bytes::Bytes;
use plugin_core::{Call, Code, Reply, Sent};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpPlugin, ServerOptions, serve},
    inproc::plugin_fn,
    tls::{ServerTlsConfig, TlsErrorKind},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use tokio::net::TcpStream;

use crate::{
    support::{call, connect, listener, within},
    test_files::Files,
    tls_raw::{self, BOTH, certified},
};

#[tokio::test]
async fn a_chain_of_six_hundred_is_refused_when_it_is_read_and_named_by_a_client_that_meets_one() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let many = files.write("many.pem", &std::fs::read(&cert).expect("a file").repeat(600));
    let fault = ServerTlsConfig::new(&many, &key).build().expect_err("600 certificates");
    assert_eq!((fault.kind(), fault.setting()), (TlsErrorKind::ChainTooLong, "cert_file"));
    let auth = AuthConfig::mtls(&many, &key).with_ca_file(files.ca());
    let config = HttpConfig::builder("p", "https://localhost/").with_auth(auth).build().expect("settings alone");
    let fault = HttpPlugin::connect(config).expect_err("600 certificates");
    assert_eq!(fault.code(), Code::MissingTlsFiles);
    assert!(fault.message().contains("more certificates than a handshake takes"), "{fault}");

    for version in BOTH {
        let port = tls_raw::serve(tls_raw::config(&[version], None, certified(&many, &key))).await;
        let config = HttpConfig::builder("p", format!("https://localhost:{port}/"));
        let error = call(&connect(config.with_auth(AuthConfig::none().with_ca_file(files.ca()))), "1").await;
        let error = error.expect_err("too long a chain");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, false));
        assert!(error.message().contains("has its certificate's chain too many certificates?"), "{error}");
    }
}

#[tokio::test]
async fn a_server_may_trust_a_thousand_authorities_with_long_names() {
    let files = Files::new();
    let mut all = std::fs::read_to_string(files.ca()).expect("a file");
    let key = rcgen::KeyPair::generate().expect("a key");
    for index in 0..1000 {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority {index:04} {}", "n".repeat(60)));
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "o".repeat(60));
        let authority = params.self_signed(&key).expect("a certificate");
        write!(all, "{}", authority.pem()).expect("it is text");
    }
    let clients = files.write("clients.pem", all.as_bytes());
    let (cert, key) = files.leaf("server");
    let (client, client_key) = files.leaf("client");
    let tls = ServerTlsConfig::new(&cert, &key).with_client_ca_file(&clients).build().expect("good files");
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let serving = serve(plugin, listener().await.0, ServerOptions::new().with_tls(tls)).expect("an address");
    let address = serving.local_addr();
    for version in BOTH {
        let key = PrivateKeyDer::from_pem_file(&client_key).expect("a key");
        let config = rustls::ClientConfig::builder_with_provider(tls_raw::provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(tls_raw::roots(&files.ca()))
            .with_client_auth_cert(tls_raw::certificates(&client), key)
            .expect("a certificate");
        let stream = TcpStream::connect(address).await.expect("a connection");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let connected = within(connector.connect("localhost".try_into().expect("a name"), stream)).await;
        connected.unwrap_or_else(|error| panic!("{version:?}: {error}"));
    }
    let auth = AuthConfig::mtls(&client, &client_key).with_ca_file(files.ca());
    let config = HttpConfig::builder("p", format!("https://localhost:{}/", address.port()));
    assert_eq!(call(&connect(config.with_auth(auth)), "1").await.expect("it is known").payload(), "1");
}
