//! Credentials over the wire: what the host sends is what the plugin accepts, and nothing else.

use bytes::Bytes;
use plugin_core::{Call, Code, HealthState, Plugin, Reply};
use plugin_transports::{
    auth::{AuthConfig, Verifier},
    http::{HttpConfig, ServerOptions, serve},
    inproc::plugin_fn,
};

use crate::support::{call, connect, listener, send};

/// Tells what of the request's credentials reaches the plugin's code.
fn plugin() -> impl Plugin<Bytes, Bytes> {
    plugin_fn(|call: Call<Bytes>| async move {
        let names: Vec<_> = call
            .context()
            .headers()
            .map(|headers| headers.keys().map(ToString::to_string).collect())
            .unwrap_or_default();
        Ok(Reply::new(serde_json::to_vec::<Vec<String>>(&names).expect("names").into()))
    })
}

#[tokio::test]
async fn each_method_opens_the_door_and_a_wrong_secret_does_not() {
    let verifier = Verifier::new().with_api_key("ci", "k").with_bearer("ops", "t").with_basic("ann", "ann", "p");
    let options = ServerOptions::new().with_verifier(verifier);
    let serving = serve(plugin(), listener().await.0, options).expect("an address");
    let with = |auth| connect(HttpConfig::builder("p", format!("http://{}/", serving.local_addr())).with_auth(auth));
    for auth in [AuthConfig::api_key("k"), AuthConfig::bearer("t"), AuthConfig::basic("ann", "p")] {
        let instance = with(auth);
        assert_eq!(call(&instance, "1").await.expect("a reply").payload(), "[]", "no credential reaches the plugin");
        assert_eq!(instance.check().await.state, HealthState::Healthy);
    }
    for auth in [AuthConfig::none(), AuthConfig::api_key("x"), AuthConfig::bearer("k"), AuthConfig::basic("ann", "t")] {
        let instance = with(auth);
        let error = call(&instance, "1").await.expect_err("a stranger");
        assert_eq!((error.code(), error.is_retryable()), (Code::HttpTransport, false));
        assert!(error.message().contains("401") && error.detail().is_some_and(|body| body.contains("AUTH_1106")));
        assert_eq!(instance.check().await.state, HealthState::Unhealthy);
    }
}

#[tokio::test]
async fn a_header_of_the_call_neither_replaces_the_credentials_nor_reaches_the_plugin_under_their_name() {
    let options = ServerOptions::new().with_verifier(Verifier::new().with_bearer("ops", "ours"));
    let serving = serve(plugin(), listener().await.0, options).expect("an address");
    let config = HttpConfig::builder("p", format!("http://{}/", serving.local_addr()));
    let instance = connect(config.with_auth(AuthConfig::bearer("ours")));
    let mut request = Call::new(Bytes::from_static(b"1"));
    request.context_mut().headers_mut().insert("authorization", "Bearer theirs".parse().expect("a value"));
    request.context_mut().headers_mut().insert("x-other", "1".parse().expect("a value"));
    let reply = send(&instance, request).await.expect("our credentials win");
    assert_eq!(reply.payload(), r#"["x-other"]"#);
}

#[tokio::test]
async fn no_secret_is_in_an_error_a_status_or_a_debug_text() {
    let serving =
        serve(plugin(), listener().await.0, ServerOptions::new().with_verifier(Verifier::new())).expect("an address");
    let config = HttpConfig::builder("p", format!("http://{}/", serving.local_addr()));
    let config = config.with_auth(AuthConfig::api_key("s3cret").with_header("X-More", "s3cret"));
    let builder_text = format!("{config:?}");
    let instance = connect(config);
    let error = call(&instance, "1").await.expect_err("401");
    let status = instance.check().await;
    for text in [builder_text, format!("{:?}", instance.service()), format!("{error:?} {error}"), format!("{status:?}")]
    {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
