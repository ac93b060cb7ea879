//! Time: what the plugin is told, who ends a call that takes too long, and that a plugin hears of it when nobody waits any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Rejected, Reply, Sent};
use plugin_transports::{ConnectionConfig, grpc::GrpcServerOptions, inproc::plugin_fn};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::{
    peer::{Act, Answer, Peer, ask, framed, message, request},
    support::{call, config, connect, send, serving, within},
};

/// Gives a permit when it is dropped.
struct Gone(Arc<Semaphore>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// A plugin that never answers, and says when it has a call and when its work was dropped.
fn hanging() -> (impl plugin_core::Plugin<Bytes, Bytes>, Arc<Semaphore>, Arc<Semaphore>) {
    let (begun, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (said, dropped) = (Arc::clone(&begun), Arc::clone(&gone));
    let plugin = plugin_fn(move |_: Call<Bytes>| {
        let (said, held) = (Arc::clone(&said), Gone(Arc::clone(&dropped)));
        async move {
            let _held = held;
            said.add_permits(1);
            std::future::pending::<Result<Reply<Bytes>, PluginError>>().await
        }
    });
    (plugin, begun, gone)
}

async fn come(what: &Semaphore) {
    within(what.acquire()).await.expect("it is never closed").forget();
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_the_plugins_work() {
    let (plugin, begun, gone) = hanging();
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let instance = connect(config(server.local_addr()));
    let service = instance.service().clone();
    let calling = tokio::spawn(async move { service.oneshot(Call::new(Bytes::from_static(b"1"))).await });
    come(&begun).await;
    calling.abort();
    come(&gone).await;
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_the_plugins_work() {
    let (plugin, _, gone) = hanging();
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let instance = connect(config(server.local_addr()));
    let hasty = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_millis(60));
    let error = send(&instance, hasty).await.expect_err("the deadline");
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::Timeout, false, Sent::Maybe));
    assert!(!error.rejected().expect("a refusal").is_evidence(), "its caller was in a hurry");
    come(&gone).await;
}

#[tokio::test]
async fn a_server_keeps_the_time_that_it_is_told() {
    let (plugin, _, gone) = hanging();
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let asked = request(server.local_addr(), "/plugin.v1.PluginService/Execute", &[("grpc-timeout", "30m")]);
    let told = ask(asked, framed(0, &message("1"))).await;
    assert_eq!(told.number(), "4");
    come(&gone).await;
}

#[tokio::test]
async fn the_limit_of_an_attempt_is_kept_and_told() {
    let peer = Peer::start(|_| Act::Hold).await;
    let limit = Duration::from_millis(150);
    let connection = ConnectionConfig::builder().with_request_timeout(limit).build().expect("valid");
    let instance = connect(config(peer.address).with_connection(connection));
    let error = call(&instance, "1").await.expect_err("it hangs");
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::Timeout, true, Sent::Maybe));
    assert!(error.message().contains("waiting for the plugin's answer"), "{error}");
    let told = peer.seen()[0].headers["grpc-timeout"].to_str().expect("text").to_owned();
    let millis: u64 = told.strip_suffix('m').expect("milliseconds").parse().expect("a number");
    assert!((1..=150).contains(&millis), "{told}");
}

#[tokio::test]
async fn a_plugin_that_says_that_its_time_is_up_is_judged_by_the_time_that_it_was_told() {
    let late = Answer::status(&[("grpc-status", "4"), ("grpc-message", "too slow")]);
    let peer = Peer::start(move |_| {
        std::thread::sleep(Duration::from_millis(60));
        Act::Answer(late.clone())
    })
    .await;
    let instance = connect(config(peer.address));
    let hasty = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_millis(70));
    let error = send(&instance, hasty).await.expect_err("the end of its time");
    assert!(error.rejected().is_some_and(|refusal| !refusal.is_evidence()), "{error:?}");
    let patient = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_secs(20));
    let error = send(&instance, patient).await.expect_err("its own limit");
    assert!(error.rejected().is_none() && error.message() == "too slow", "{error:?}");
}

/// Whether a call that its caller gave too little time, and that hangs, is evidence beside another that is answered like this.
async fn is_evidence_beside(answer: Answer) -> Option<bool> {
    let (begun, first) = (Arc::new(Semaphore::new(0)), AtomicBool::new(true));
    let said = Arc::clone(&begun);
    let peer = Peer::start(move |_| match first.swap(false, Ordering::Relaxed) {
        true => {
            said.add_permits(1);
            Act::Hold
        }
        false => Act::Answer(answer.clone()),
    })
    .await;
    let limit = ConnectionConfig::builder().with_request_timeout(Duration::from_secs(2)).build().expect("valid");
    let instance = connect(config(peer.address).with_connection(limit));
    let hasty = Call::new(Bytes::from_static(b"1")).with_timeout(Duration::from_millis(1500));
    let (hung, ()) = tokio::join!(send(&instance, hasty), async {
        come(&begun).await;
        let _ = call(&instance, "1").await;
    });
    hung.expect_err("it hangs").rejected().map(Rejected::is_evidence)
}

#[tokio::test]
async fn to_say_that_time_ran_out_is_no_answer_wherever_the_status_stands() {
    let late = &[("grpc-status", "4")];
    let answers = [
        Answer::reply("1"),
        Answer::status(&[("grpc-status", "2")]),
        Answer::reply("1").with_trailers(&[("grpc-status", "2")]),
        Answer::status(late),
        Answer::of(Vec::new()).with_trailers(late),
        Answer::reply("1").with_trailers(late),
    ];
    let judged = futures_util::future::join_all(answers.map(is_evidence_beside)).await;
    assert_eq!(judged, [false, false, false, true, true, true].map(Some));
}
