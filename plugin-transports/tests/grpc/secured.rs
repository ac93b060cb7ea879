//! Credentials as metadata, and TLS.

use plugin_core::{Code, Sent};
use plugin_transports::{
    auth::{AuthConfig, Verifier},
    grpc::{GrpcConfig, GrpcServerOptions},
    tls::ServerTlsConfig,
};

use crate::{
    peer::{Answer, Peer},
    support::{call, config, connect, echo, serving},
    test_files::Files,
};

#[tokio::test]
async fn each_method_travels_as_metadata_and_opens_the_door() {
    let verifier = Verifier::new().with_api_key("a", "k-1").with_bearer("b", "t-1").with_basic("c", "ann", "pa:ss");
    let server = serving(echo(), GrpcServerOptions::new().with_verifier(verifier)).await;
    for auth in [AuthConfig::api_key("k-1"), AuthConfig::bearer("t-1"), AuthConfig::basic("ann", "pa:ss")] {
        let instance = connect(config(server.local_addr()).with_auth(auth));
        assert_eq!(call(&instance, "1").await.expect("known").payload(), "1");
        assert!(instance.check().await.state.is_serving());
    }
    for (auth, says) in [(AuthConfig::bearer("t-2"), "does not accept"), (AuthConfig::none(), "has none")] {
        let error = call(&connect(config(server.local_addr()).with_auth(auth)), "1").await.expect_err("unknown");
        assert_eq!((error.code(), error.grpc_status(), error.is_retryable()), (Code::GrpcTransport, Some(16), false));
        assert!(error.message().contains(says) && !format!("{error:?}").contains("t-2"), "{error:?}");
    }
    let peer = Peer::answering(Answer::reply("1")).await;
    let custom = AuthConfig::custom().with_header("X-Env", "prod");
    call(&connect(config(peer.address).with_auth(custom)), "1").await.expect("a reply");
    assert_eq!(peer.seen()[0].headers["x-env"], "prod");
}

#[tokio::test]
async fn a_call_comes_back_over_tls_and_a_certificate_opens_the_door() {
    let files = Files::new();
    let (cert, key) = files.leaf("server");
    let tls = ServerTlsConfig::new(cert, key).with_client_ca_file(files.ca()).build().expect("good files");
    let server = serving(echo(), GrpcServerOptions::new().with_tls(tls)).await;
    let at = |scheme: &str| GrpcConfig::builder("p", format!("{scheme}localhost:{}", server.local_addr().port()));
    let (cert, key) = files.leaf("client");
    let known = AuthConfig::mtls(cert, key).with_ca_file(files.ca());
    for config in [at("https://"), at("grpcs://"), at("").with_tls(true)] {
        let instance = connect(config.with_auth(known.clone()));
        assert_eq!(instance.info().transport, "grpc-tls");
        assert_eq!(call(&instance, "1").await.expect("an echo").payload(), "1");
        assert!(instance.check().await.state.is_serving());
    }
    let stranger = connect(at("https://").with_auth(AuthConfig::none().with_ca_file(files.ca())));
    let error = call(&stranger, "1").await.expect_err("no certificate");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, false));
    assert!(error.message().contains("certificate required"), "{error}");
    let untrusting = connect(at("https://").with_auth(AuthConfig::none().with_ca_file(Files::new().ca())));
    let error = call(&untrusting, "1").await.expect_err("another authority");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, false));
    let plain = call(&connect(at("http://")), "1").await.expect_err("plain text");
    assert_eq!((plain.code(), plain.sent(), plain.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, false));
    assert!(plain.message().contains("speaks TLS, and was sent plain text"), "{plain}");
}
