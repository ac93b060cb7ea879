//! HTTPS, with certificates on both sides.

use std::time::Duration;

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply, Sent};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpPlugin, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    listen::Serving,
    tls::{ServerTlsConfig, TlsVersion},
};

use crate::{
    support::{Act, Scripted, call, connect, connection, listener, ok},
    test_files::Files,
};

async fn serving(tls: ServerTlsConfig) -> Serving {
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) });
    let options = ServerOptions::new().with_tls(tls.build().expect("good files"));
    serve(plugin, listener().await.0, options).expect("an address")
}

fn server(files: &Files) -> ServerTlsConfig {
    let (cert, key) = files.leaf("server");
    ServerTlsConfig::new(cert, key)
}

fn at(serving: &Serving, host: &str) -> plugin_transports::http::HttpConfigBuilder {
    HttpConfig::builder("p", format!("https://{host}:{}/", serving.local_addr().port()))
}

async fn fault(config: plugin_transports::http::HttpConfigBuilder) -> PluginError {
    call(&connect(config), "1").await.expect_err("a fault")
}

#[tokio::test]
async fn a_call_comes_back_over_each_version_of_http_and_of_tls() {
    let files = Files::new();
    let ca = AuthConfig::none().with_ca_file(files.ca());
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let serving = serving(server(&files).with_min_version(version)).await;
        for http in [HttpVersion::Auto, HttpVersion::Http1, HttpVersion::Http2] {
            for host in ["127.0.0.1", "localhost"] {
                let auth = ca.clone().with_min_version(version);
                let instance = connect(at(&serving, host).with_auth(auth).with_version(http));
                assert_eq!(instance.info().transport, "https");
                for _ in 0..2 {
                    assert_eq!(call(&instance, "[1]").await.expect("an echo").payload(), "[1]");
                }
                assert!(instance.check().await.state.is_serving());
            }
        }
    }
}

#[tokio::test]
async fn many_first_calls_share_the_one_connection_that_http2_needs() {
    let files = Files::new();
    let serving = serving(server(&files)).await;
    let instance = connect(at(&serving, "localhost").with_auth(AuthConfig::none().with_ca_file(files.ca())));
    let calls = futures_util::future::join_all((0..20).map(|_| call(&instance, "1")));
    assert!(calls.await.iter().all(Result::is_ok));
    assert_eq!(instance.service().free_connections(), 10, "over HTTP/2 no call keeps one to itself");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted_and_nothing_is_sent() {
    let (files, others) = (Files::new(), Files::new());
    let serving = serving(server(&files)).await;
    // The platform's authorities do not know ours, and neither does another file.
    let auth = AuthConfig::bearer("s3cret").with_ca_file(others.ca());
    let error = fault(at(&serving, "localhost").with_auth(auth)).await;
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, false));
    assert!(error.message().contains("no TLS connection to https://localhost"), "{error}");
    assert!(error.message().to_lowercase().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_must_have_the_name_that_it_was_called_by() {
    let files = Files::new();
    let (cert, key) = files.leaf_with("elsewhere", &["elsewhere.example"], -1, 30);
    let serving = serving(ServerTlsConfig::new(cert, key)).await;
    let error = fault(at(&serving, "localhost").with_auth(AuthConfig::none().with_ca_file(files.ca()))).await;
    assert_eq!((error.code(), error.is_retryable()), (Code::ConnectionFailed, false));
    assert!(error.message().contains("is for elsewhere.example, and not for localhost"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_opens_the_door_and_another_or_none_does_not() {
    let (files, others) = (Files::new(), Files::new());
    let serving = serving(server(&files).with_client_ca_file(files.ca())).await;
    let (cert, key) = files.leaf("client");
    for auth in [
        AuthConfig::mtls(&cert, &key).with_ca_file(files.ca()),
        AuthConfig::bearer("t").with_client_certificate(&cert, &key).with_ca_file(files.ca()),
    ] {
        assert_eq!(
            call(&connect(at(&serving, "localhost").with_auth(auth)), "1").await.expect("an echo").payload(),
            "1"
        );
    }
    let (strange_cert, strange_key) = others.leaf("stranger");
    for auth in [
        AuthConfig::none().with_ca_file(files.ca()),
        AuthConfig::mtls(strange_cert, strange_key).with_ca_file(files.ca()),
    ] {
        let error = fault(at(&serving, "localhost").with_auth(auth)).await;
        assert_eq!(error.code(), Code::ConnectionFailed, "{error:?}");
    }
}

#[test]
fn files_that_cannot_be_used_stop_the_plugin_before_the_first_call() {
    let files = Files::new();
    let (cert, _) = files.leaf("client");
    let (_, other_key) = files.leaf("other");
    let text = files.write("note.txt", b"no certificate");
    for (auth, says) in [
        (AuthConfig::none().with_ca_file(files.path("gone.pem")), "gone.pem\" is not there"),
        (AuthConfig::none().with_ca_file(files.dir()), "cannot be read"),
        (AuthConfig::api_key("k").with_ca_file(&text), "holds no certificate"),
        (AuthConfig::mtls(&cert, &other_key), "does not belong to the certificate"),
        (AuthConfig::mtls(&cert, &text), "holds no private key"),
    ] {
        let config = HttpConfig::builder("p", "https://localhost/").with_auth(auth).build().expect("settings alone");
        let error = HttpPlugin::connect(config).expect_err("a file");
        assert_eq!((error.code(), error.plugin()), (Code::MissingTlsFiles, Some("p")));
        assert!(error.message().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_does_not_answer_is_told_from_one_that_does() {
    let plain = Scripted::answering(ok("{}")).await;
    let files = Files::new();
    let auth = || AuthConfig::none().with_ca_file(files.ca());
    // The listener takes the connection and never says a word.
    let (_silent, address) = listener().await;
    let quick = connection(|config| config.with_connection_timeout(Duration::from_millis(100)));
    let config = HttpConfig::builder("p", format!("https://{address}/")).with_auth(auth()).with_connection(quick);
    let error = fault(config).await;
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
    assert!(error.message().contains("TLS was not finished within"), "{error}");

    let garbage = Scripted::start(|_, _| Act::Close(Vec::new())).await;
    for address in [plain.address, garbage.address] {
        let quick = connection(|config| config.with_connection_timeout(Duration::from_millis(300)));
        let config = HttpConfig::builder("p", format!("https://{address}/")).with_auth(auth()).with_connection(quick);
        let error = fault(config).await;
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Nothing), "{error}");
    }
}
