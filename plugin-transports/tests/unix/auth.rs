//! Credentials travel as headers of each request, and are seen by nobody but the server.

use bytes::Bytes;
use plugin_core::{Call, Code, HealthState, PluginError, Reply};
use plugin_transports::{
    auth::{AuthConfig, Verifier},
    inproc::plugin_fn,
    unix::UnixServerOptions,
};
use serde_json::{Value, json};

use crate::support::{Act, Place, Scripted, call, connect, ok, send, within};

/// A plugin that tells the headers it sees.
async fn headers(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let names: Vec<_> =
        call.context().headers().into_iter().flat_map(|all| all.keys().map(ToString::to_string)).collect();
    Ok(Reply::new(Bytes::from(json!(names).to_string())))
}

const SECRET: &str = "hunter2-hunter2";

#[tokio::test]
async fn each_method_is_sent_and_verified_and_does_not_reach_the_plugin() {
    let place = Place::new();
    let verifier =
        Verifier::new().with_api_key("ci", SECRET).with_bearer("ops", SECRET).with_basic("ann", "ann", SECRET);
    let _server = place.serve(plugin_fn(headers), UnixServerOptions::new().with_verifier(verifier)).await;
    for auth in [AuthConfig::api_key(SECRET), AuthConfig::bearer(SECRET), AuthConfig::basic("ann", SECRET)] {
        let config = place.config().with_auth(auth.with_header("X-Env", "prod"));
        assert!(!format!("{config:?}").contains(SECRET));
        let instance = connect(config);
        assert_eq!(call(&instance, "1").await.expect("known").payload(), r#"["x-env"]"#);
        assert_eq!(within(instance.check()).await.state, HealthState::Healthy);
        within(instance.service().info()).await.expect("known");
        assert!(!format!("{instance:?}{:?}", instance.service()).contains(SECRET));
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so_and_it_is_nobodys_failure() {
    let place = Place::new();
    let verifier = Verifier::new().with_bearer("ops", SECRET);
    let _server = place.serve(plugin_fn(headers), UnixServerOptions::new().with_verifier(verifier)).await;
    for (auth, says) in [
        (AuthConfig::none(), "the plugin asks for credentials, and `auth` has none"),
        (AuthConfig::bearer("another"), "the plugin does not accept the credentials in `auth`"),
        (AuthConfig::api_key(SECRET), "the plugin does not accept the credentials in `auth`"),
    ] {
        let instance = connect(place.config().with_auth(auth));
        let error = call(&instance, "1").await.expect_err("a stranger");
        assert_eq!((error.code(), error.is_retryable(), error.message()), (Code::UnixTransport, false, says));
        assert!(!format!("{error:?}").contains(SECRET) && !format!("{error:?}").contains("another"));
        let health = within(instance.check()).await;
        assert_eq!((health.state, health.message.as_str()), (HealthState::Unhealthy, says));
    }
    let mut host = place.host().await;
    assert_eq!(host.ask(r#"{"type":"ping"}"#).await["success"], json!(true), "which tells nothing");
    for kind in ["execute", "info", "health"] {
        let reply = host.ask(&json!({"type": kind, "request_id": "1"}).to_string()).await;
        assert_eq!(reply["headers"]["X-Plugin-Code"], json!("AUTH_1106"), "{kind}");
    }
    // Two of one name are none.
    let line =
        json!({"type": "execute", "headers": {"authorization": format!("Bearer {SECRET}"), "Authorization": "x"}});
    assert_eq!(host.ask(&line.to_string()).await["success"], json!(false));
}

#[tokio::test]
async fn credentials_are_stronger_than_a_header_of_the_call() {
    let plugin = Scripted::start(|_, request: &Value| Act::Write(ok(request, &request["headers"].to_string())));
    let auth = AuthConfig::custom().with_header("X-Env", "ours");
    let instance = connect(plugin.config().with_auth(auth));
    let mut request = Call::new(Bytes::from_static(b"1"));
    request.context_mut().headers_mut().insert("x-env", "theirs".parse().expect("a value"));
    request.context_mut().headers_mut().insert("x-other", "theirs".parse().expect("a value"));
    let reply = send(&instance, request).await.expect("a reply");
    assert_eq!(reply.payload(), r#"{"x-env":"ours","x-other":"theirs"}"#);
}

#[tokio::test]
async fn a_plugin_that_tells_what_it_was_sent_tells_nobody() {
    let plugin = Scripted::start(|_, request| {
        let heard = format!("I was sent {}", request["headers"]["authorization"]);
        let told = json!({"status": "degraded", "message": heard, "metadata": {"heard": heard}});
        let reply = json!({
            "type": request["type"],
            "request_id": request["request_id"],
            "success": false,
            "error": heard,
            "data": told,
        });
        Act::Write(format!("{reply}\n").into_bytes())
    });
    let instance = connect(plugin.config().with_auth(AuthConfig::bearer(SECRET)));
    let error = call(&instance, "1").await.expect_err("it says no");
    assert_eq!(error.message(), "I was sent \"***\"");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    let health = within(instance.check()).await;
    assert_eq!(
        (health.message.as_str(), health.metadata["heard"].as_str()),
        ("I was sent \"***\"", "I was sent \"***\"")
    );
    assert!(plugin.seen().iter().all(|request| request["headers"].to_string().contains(SECRET)), "it was sent");
}
