//! Options, which a plugin is told on each new connection before any call on it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use plugin_core::{Code, HealthState, PluginError, Sent};
use plugin_transports::{
    auth::AuthConfig,
    grpc::{GrpcConfigBuilder, GrpcServerOptions},
};
use serde_json::{Map, Value, json};

use crate::{
    peer::{Act, Answer, Peer, framed},
    support::{call, config, connect, echo, serving},
};

const INIT: &str = "/plugin.v1.PluginService/Init";

fn options() -> Map<String, Value> {
    json!({"limit": 12345678901234567890_u64, "deep": {"list": [1, 2.5, null]}})
        .as_object()
        .cloned()
        .expect("an object")
}

fn with_options(builder: GrpcConfigBuilder) -> GrpcConfigBuilder {
    builder.with_options(options())
}

#[tokio::test]
async fn options_reach_the_plugin_before_its_first_call_and_once_for_each_connection() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let options = GrpcServerOptions::new().with_init(move |options| {
        heard.lock().expect("no panic").push(options);
        async { Ok(()) }
    });
    let server = serving(echo(), options).await;
    let instance = connect(with_options(config(server.local_addr())));
    for _ in 0..3 {
        call(&instance, "1").await.expect("a reply");
    }
    let heard = told.lock().expect("no panic").clone();
    assert_eq!(heard.len(), 1);
    assert_eq!(serde_json::from_slice::<Map<String, Value>>(&heard[0]).expect("JSON"), self::options());
    instance.service().reach().connect().await.expect("another connection");
    assert_eq!(told.lock().expect("no panic").len(), 2);

    let peer = Peer::start(|seen| match seen.path.as_str() {
        INIT => Act::Answer(Answer::of(framed(0, b""))),
        _ => Act::Answer(Answer::reply("1")),
    })
    .await;
    call(&connect(with_options(config(peer.address))), "1").await.expect("a reply");
    let paths: Vec<_> = peer.seen().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(paths, [INIT, "/plugin.v1.PluginService/Execute"]);
    call(&peer.instance(), "1").await.expect("a reply");
    assert_eq!(peer.seen().len(), 3, "who has no options says none");
}

#[tokio::test]
async fn a_plugin_that_refuses_its_options_is_not_ready_and_is_told_them_again_with_the_next_connection() {
    let ready = Arc::new(AtomicBool::new(false));
    let is_ready = Arc::clone(&ready);
    let options = GrpcServerOptions::new().with_init(move |_| {
        let ready = is_ready.load(Ordering::SeqCst);
        async move { if ready { Ok(()) } else { Err(PluginError::execution("no database at db:5432")) } }
    });
    let server = serving(echo(), options).await;
    let instance = connect(with_options(config(server.local_addr())));
    for _ in 0..2 {
        let error = call(&instance, "1").await.expect_err("not ready");
        assert_eq!((error.code(), error.sent()), (Code::ExecutionFailed, Sent::Nothing));
        assert_eq!(error.message(), "the plugin refused its options: no database at db:5432");
    }
    let found = instance.check().await;
    assert!(found.state == HealthState::Unhealthy && found.message.contains("no database"), "{found:?}");
    assert!(instance.service().reach().is_lost());
    instance.service().reach().connect().await.expect_err("a connection on which it is not ready");

    ready.store(true, Ordering::SeqCst);
    instance.service().reach().connect().await.expect("ready");
    assert!(!instance.service().reach().is_lost());
    assert_eq!(call(&instance, "1").await.expect("a reply").payload(), "1");
    assert_eq!(instance.check().await.state, HealthState::Healthy);
}

#[tokio::test]
async fn a_plugin_that_tells_what_it_was_told_tells_nobody() {
    let peer = Peer::start(|seen| {
        let sent = seen.headers["authorization"].to_str().expect("text");
        Act::Answer(Answer::status(&[("grpc-status", "3"), ("grpc-message", &format!("{sent} and hunter2-hunter2"))]))
    })
    .await;
    let options = json!({"password": "hunter2-hunter2"}).as_object().cloned().expect("an object");
    let auth = AuthConfig::bearer("s3cret-s3cret");
    let instance = connect(config(peer.address).with_options(options).with_auth(auth));
    let error = call(&instance, "1").await.expect_err("refused");
    assert_eq!(error.message(), "the plugin refused its options: *** and ***");
    let said = format!("{error:?} {:?}", instance.check().await);
    assert!(!said.contains("s3cret") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_plugin_that_takes_no_options_is_told_of_to_who_wrote_them() {
    let server = serving(echo(), GrpcServerOptions::new()).await;
    let error = call(&connect(with_options(config(server.local_addr()))), "1").await.expect_err("no init");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConfigValue, Sent::Nothing, false));
    assert!(error.message().contains("takes no options") && error.message().contains("`options`"), "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_before_the_options_are_taken_has_carried_no_call() {
    for answer in [
        Act::Reset(Answer { status: 200, ..Answer::default() }, h2::Reason::INTERNAL_ERROR),
        Act::Answer(Answer { status: 404, ..Answer::default() }),
    ] {
        let peer = Peer::start(move |_| answer.clone()).await;
        let error = call(&connect(with_options(config(peer.address))), "1").await.expect_err("no init");
        assert_eq!(
            (error.code(), error.sent(), error.is_retryable()),
            (Code::ConnectionFailed, Sent::Nothing, true),
            "{error}"
        );
    }
}
