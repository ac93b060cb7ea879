//! What a health check asks, and what it makes of the answers.

use std::{collections::BTreeMap, time::Duration};

use plugin_core::{HealthState, HealthStatus};
use plugin_transports::{
    ConnectionConfig,
    grpc::{GrpcPlugin, GrpcServerOptions},
};

use crate::{
    peer::{Act, Answer, Peer, framed},
    support::{call, config, connect, echo, listener, serving, within},
};

const SERVING: &[u8] = b"\x08\x01";
const NOT_SERVING: &[u8] = b"\x08\x02";

fn unimplemented() -> Act {
    Act::Answer(Answer::status(&[("grpc-status", "12")]))
}

#[tokio::test]
async fn what_a_plugin_says_of_itself_is_seen_at_the_other_end() {
    for (make, state) in [
        (HealthStatus::healthy as fn() -> HealthStatus, HealthState::Healthy),
        (|| HealthStatus::degraded("one of three"), HealthState::Degraded),
        (|| HealthStatus::unhealthy("no disk"), HealthState::Unhealthy),
    ] {
        let metadata = BTreeMap::from([("queue".to_owned(), "7".to_owned())]);
        let said = metadata.clone();
        let health = move || {
            let said = said.clone();
            async move { make().with_metadata(said) }
        };
        let server = serving(echo(), GrpcServerOptions::new().with_health(health)).await;
        let found = connect(config(server.local_addr())).check().await;
        assert_eq!(found.state, state);
        if state == HealthState::Degraded {
            assert_eq!((found.message.as_str(), &found.metadata), ("one of three", &metadata));
        }
    }
}

#[tokio::test]
async fn the_standard_check_is_asked_by_the_services_name_and_then_by_none() {
    let peer = Peer::start(|seen| match (seen.path.as_str(), seen.body.len()) {
        ("/grpc.health.v1.Health/Check", 5) => Act::Answer(Answer::of(framed(0, SERVING))),
        ("/grpc.health.v1.Health/Check", _) => Act::Answer(Answer::status(&[("grpc-status", "5")])),
        _ => unimplemented(),
    })
    .await;
    let instance = peer.instance();
    assert_eq!(instance.check().await.state, HealthState::Healthy);
    let asked: Vec<_> = peer.seen().iter().map(|seen| (seen.path.clone(), seen.body.len())).collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[0].1 > 5 && asked[2].0 == "/plugin.v1.PluginService/Health");
}

#[tokio::test]
async fn a_plugin_without_a_check_is_healthy_while_it_answers_and_one_that_had_one_is_not() {
    let peer = Peer::start(|_| unimplemented()).await;
    let found = peer.instance().check().await;
    assert_eq!(found.state, HealthState::Healthy);
    assert!(found.message.contains("has no health check"), "{found:?}");

    let asked = std::sync::atomic::AtomicUsize::new(0);
    let peer = Peer::start(move |seen| match seen.path.as_str() {
        "/grpc.health.v1.Health/Check" if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            Act::Answer(Answer::of(framed(0, SERVING)))
        }
        _ => unimplemented(),
    })
    .await;
    let instance = peer.instance();
    let states = [instance.check().await.state, instance.check().await.state];
    assert_eq!(states, [HealthState::Healthy, HealthState::Unhealthy]);
}

#[tokio::test]
async fn what_is_no_good_answer_is_unhealthy_and_says_why() {
    for (answer, says) in [
        (Answer::of(framed(0, NOT_SERVING)), "NOT_SERVING"),
        (Answer::of(framed(0, b"")), "UNKNOWN"),
        (Answer::of(framed(0, b"\xff")), "not the one"),
        (Answer::status(&[("grpc-status", "13"), ("grpc-message", "boom")]), "boom"),
        (Answer::of(Vec::new()), "no message"),
    ] {
        let found = Peer::answering(answer).await.instance().check().await;
        assert_eq!(found.state, HealthState::Unhealthy, "{found:?}");
        assert!(found.message.contains(says), "{found:?} does not say {says:?}");
    }
    let (gone, address) = listener().await;
    drop(gone);
    let found = connect(config(address)).check().await;
    assert_eq!(found.state, HealthState::Unhealthy);
    // As it was written: without a scheme.
    assert!(found.message.starts_with(&format!("{address} cannot be reached: ")), "{found:?}");
}

#[tokio::test]
async fn a_plugins_own_check_that_fails_is_no_check_that_is_not_there() {
    for (own, state) in [
        (&[("grpc-status", "2"), ("grpc-message", "disk gone")][..], HealthState::Unhealthy),
        (&[("grpc-status", "12")], HealthState::Healthy),
    ] {
        let own = Answer::status(own);
        let peer = Peer::start(move |seen| match seen.path.as_str() {
            "/grpc.health.v1.Health/Check" => Act::Answer(Answer::of(framed(0, SERVING))),
            _ => Act::Answer(own.clone()),
        })
        .await;
        let found = peer.instance().check().await;
        assert_eq!(found.state, state, "{found:?}");
        assert!(state == HealthState::Healthy || found.message.contains("disk gone"), "{found:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_named_must_be_known() {
    let peer = Peer::answering(Answer::status(&[("grpc-status", "5")])).await;
    let found = connect(config(peer.address).with_health_service("shop.Orders")).check().await;
    assert_eq!((found.state, peer.seen().len()), (HealthState::Unhealthy, 1));
    assert!(peer.seen()[0].body.ends_with(b"shop.Orders") && found.message.contains("NOT_FOUND"), "{found:?}");
}

#[tokio::test]
async fn a_check_that_stands_behind_calls_which_are_answered_is_none() {
    // As with a server whose threads all work on calls.
    let peer = Peer::start(|seen| match seen.path.as_str() {
        "/plugin.v1.PluginService/Execute" => Act::Answer(Answer::reply("1")),
        _ => Act::Hold,
    })
    .await;
    let limit = Duration::from_millis(400);
    let connection = ConnectionConfig::builder().with_request_timeout(2 * limit).build().expect("valid");
    let config = config(peer.address).with_connection(connection).build().expect("valid").with_check_limit(limit);
    let instance = GrpcPlugin::connect(config).expect("nothing to read");
    let calls = async {
        loop {
            call(&instance, "1").await.expect("a reply");
        }
    };
    let status = tokio::select! {
        status = within(instance.check()) => status,
        () = calls => unreachable!("they go on"),
    };
    assert!(status.is_not_checked(), "{status:?}");
    let status = within(instance.check()).await;
    assert!(!status.is_not_checked() && !status.state.is_serving(), "nothing speaks for it: {status:?}");
}
