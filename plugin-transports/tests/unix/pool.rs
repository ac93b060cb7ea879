//! Connections: how many, whose turn it is, and which are used again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use plugin_core::{Call, Code, PluginError, Rejected, Reply, Sent};
use plugin_transports::{inproc::plugin_fn, unix::UnixServerOptions};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixListener,
    sync::Semaphore,
};
use tower::ServiceExt;

use crate::support::{Act, Place, Scripted, call, connect, connection, millis, ok, send, within};

/// A plugin that answers as many calls as there are permits.
fn waiting() -> (Scripted, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go);
    let plugin =
        Scripted::start(move |_, request| Act::Wait(Arc::clone(&told), ok(request, &request["data"].to_string())));
    (plugin, go)
}

#[tokio::test]
async fn the_cap_is_real_and_the_line_is_fair() {
    let (plugin, go) = waiting();
    let instance = connect(plugin.config().with_connection(connection(|build| build.with_max_connections(3))));
    let mut calls = Vec::new();
    for number in 0..30_usize {
        let mut future = Box::pin(instance.service().clone().oneshot(Call::new(Bytes::from(number.to_string()))));
        // Each takes its place in line before the next one comes.
        assert!(futures_util::poll!(future.as_mut()).is_pending());
        calls.push(tokio::spawn(future));
        if number < 3 {
            plugin.until_seen(number + 1).await;
        }
    }
    assert_eq!(instance.service().free_connections(), 0);
    go.add_permits(30);
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.expect("no panic").expect("a reply").into_payload(), number.to_string());
    }
    assert_eq!((plugin.most_open(), plugin.accepted()), (3, 3));
    let order: Vec<_> = plugin.seen().iter().map(|request| request["data"].as_u64().expect("a number")).collect();
    // Three are served at once: among those no order is told.
    for (turn, number) in order.iter().enumerate() {
        assert!(number.abs_diff(turn as u64) <= 3, "{order:?}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_without_a_ping() {
    let plugin = Scripted::start(|_, request| Act::Write(ok(request, "1")));
    let instance = plugin.connect();
    for _ in 0..20 {
        call(&instance, "1").await.expect("a reply");
    }
    assert_eq!(plugin.accepted(), 1);
    assert!(plugin.seen().iter().all(|request| request["type"] == "execute"));
}

#[tokio::test]
async fn an_idle_connection_that_the_plugin_has_closed_costs_another_and_no_call() {
    // It closes the connection after each reply, be it at once or a moment later.
    let plugin = Scripted::start(|_, request| Act::Close(ok(request, "1")));
    let instance = plugin.connect();
    for _ in 0..200 {
        call(&instance, "1").await.expect("a reply");
    }
    assert_eq!((plugin.accepted(), plugin.seen().len()), (200, 200));
}

#[tokio::test]
async fn a_connection_whose_call_ran_out_of_time_or_was_dropped_is_not_used_again() {
    let (plugin, go) = waiting();
    let instance = connect(plugin.config().with_connection(connection(|build| build.with_max_connections(1))));
    let error =
        send(&instance, Call::new(Bytes::from_static(b"\"late\"")).with_timeout(millis(50))).await.expect_err("late");
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Maybe));
    assert!(error.message().contains("waiting for the plugin's answer"), "{error}");
    plugin.until_open(0).await;
    let mut dropped = Box::pin(call(&instance, "\"dropped\""));
    assert!(futures_util::poll!(dropped.as_mut()).is_pending());
    tokio::select! {
        _ = &mut dropped => panic!("nobody answers"),
        () = plugin.until_seen(2) => {}
    }
    drop(dropped);
    plugin.until_open(0).await;
    go.add_permits(1);
    assert_eq!(call(&instance, "\"mine\"").await.expect("a reply").payload(), "\"mine\"");
    assert_eq!(plugin.accepted(), 3);
}

#[tokio::test]
async fn a_connection_on_which_the_plugin_said_that_time_was_over_is_not_used_again() {
    // It closes the connection behind that answer, and a request that came in between would be lost.
    let plugin = Scripted::start(|number, request| match number {
        0 => {
            let id = &request["request_id"];
            let late = "\"success\":false,\"error\":\"late\",\"headers\":{\"X-Plugin-Code\":\"PLUGIN_1204\"}";
            Act::Write(format!("{{\"type\":\"execute\",\"request_id\":{id},{late}}}\n").into_bytes())
        }
        _ => Act::Write(ok(request, "1")),
    });
    let instance = plugin.connect();
    assert_eq!(call(&instance, "1").await.expect_err("it says so").code(), Code::Timeout);
    assert_eq!(call(&instance, "1").await.expect("a reply").payload(), "1");
    assert_eq!(plugin.accepted(), 2);
}

#[tokio::test]
async fn the_second_answer_to_one_call_is_never_given_to_the_next() {
    // Both at once, and the second a moment later: it comes between two calls.
    let twice = Scripted::start(|_, request| {
        let answer = ok(request, &request["data"].to_string());
        Act::Write([answer.clone(), answer].concat())
    });
    let instance = twice.connect();
    for number in 0..50 {
        let mut next = Call::new(Bytes::from(number.to_string()));
        // Also where whoever calls gives all calls one id.
        next.context_mut().set_request_id("the same");
        assert_eq!(send(&instance, next).await.expect("a reply").into_payload(), number.to_string());
    }
    let late = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&late);
    let plugin = Scripted::start(move |number, request| {
        let answer = ok(request, &request["data"].to_string());
        match number {
            0 => Act::Drip(Arc::clone(&told), [answer.clone(), answer].concat()),
            _ => Act::Write(answer),
        }
    });
    let instance = plugin.connect();
    let first = tokio::spawn({
        let service = instance.service().clone();
        let mut first = Call::new(Bytes::from_static(b"1"));
        first.context_mut().set_request_id("the same");
        service.oneshot(first)
    });
    plugin.until_seen(1).await;
    let length = ok(&plugin.seen()[0], "1").len();
    late.add_permits(length);
    assert_eq!(within(first).await.expect("no panic").expect("a reply").payload(), "1");
    let mut second = Call::new(Bytes::from_static(b"2"));
    second.context_mut().set_request_id("the same");
    assert_eq!(send(&instance, second).await.expect("a reply").payload(), "2");
    late.add_permits(length);
    assert_eq!(call(&instance, "3").await.expect("a reply").payload(), "3");
}

#[tokio::test]
async fn what_comes_behind_an_answer_meets_no_call_though_nobody_has_its_id() {
    for comes_at_once in [true, false] {
        let place = Place::new();
        let listener = UnixListener::bind(place.path()).expect("free");
        let instance = connect(place.config());
        let answer = async |behind: &[u8]| {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            stream.read_line(&mut request).await.expect("a request");
            let request = serde_json::from_str(&request).expect("JSON");
            stream.write_all(&[&ok(&request, "1"), behind].concat()).await.expect("it is open");
            stream
        };
        let behind = b"{\"type\":\"execute\",\"request_id\":\"none\",\"success\":true}\n";
        let (first, mut stream) =
            within(async { tokio::join!(call(&instance, "1"), answer(if comes_at_once { behind } else { b"" })) })
                .await;
        first.expect("a reply");
        if !comes_at_once {
            stream.write_all(behind).await.expect("it is open");
        }
        let (second, _stream) = within(async { tokio::join!(call(&instance, "2"), answer(b"")) }).await;
        second.expect("a reply, on another connection");
    }
}

#[tokio::test]
async fn only_the_latest_id_of_a_connection_keeps_a_call_from_it() {
    let plugin = Scripted::start(|_, request| Act::Write(ok(request, "1")));
    let instance = plugin.connect();
    let mut accepted = Vec::new();
    for id in ["one", "another", "another", "one"] {
        let mut next = Call::new(Bytes::from_static(b"1"));
        next.context_mut().set_request_id(id);
        send(&instance, next).await.expect("a reply");
        accepted.push(plugin.accepted());
    }
    assert_eq!(accepted, [1, 1, 2, 2]);
}

#[tokio::test]
async fn idle_connections_have_a_limit_and_an_end_and_may_be_none() {
    let (plugin, go) = waiting();
    let limits = connection(|build| build.with_max_idle_connections(2).with_idle_timeout(millis(200)));
    let instance = connect(plugin.config().with_connection(limits));
    let calls: Vec<_> =
        (0..5).map(|_| tokio::spawn(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1"))))).collect();
    plugin.until_seen(5).await;
    go.add_permits(5);
    for call in calls {
        within(call).await.expect("no panic").expect("a reply");
    }
    plugin.until_open(2).await;
    plugin.until_open(0).await;
    let plugin = Scripted::start(|_, request| Act::Write(ok(request, "1")));
    let instance = connect(plugin.config().with_connection(connection(|build| build.with_keep_alive(false))));
    for _ in 0..3 {
        call(&instance, "1").await.expect("a reply");
    }
    plugin.until_open(0).await;
    assert_eq!(plugin.accepted(), 3);
}

#[tokio::test]
async fn the_end_of_a_wait_in_line_sends_nothing_and_is_evidence_only_where_nobody_was_answered() {
    for answers in [true, false] {
        let plugin = Scripted::start(move |number, request| match number {
            0 if answers => Act::Write(ok(request, "1")),
            _ => Act::Stall(Vec::new()),
        });
        let limits = connection(|build| build.with_max_connections(1).with_request_timeout(millis(400)));
        let instance = connect(plugin.config().with_connection(limits));
        // The last gives up before those that have the connection do.
        let calls = [400, 400, 300].map(|limit| {
            let call = Call::new(Bytes::from_static(b"1")).with_timeout(millis(limit));
            instance.service().clone().oneshot(call)
        });
        let [first, second, third] = <[_; 3]>::try_from(within(join_all(calls)).await).expect("three");
        assert_eq!(first.is_ok(), answers);
        if answers {
            let second = second.expect_err("it hangs on this one");
            assert!(second.rejected().is_some_and(Rejected::is_evidence), "{second}");
        }
        let third = third.expect_err("no connection is free");
        assert_eq!((third.code(), third.sent()), (Code::Timeout, Sent::Nothing));
        assert!(third.message().contains("waiting for a free connection"), "{third}");
        assert_eq!(third.rejected().map(Rejected::is_evidence), Some(!answers), "{third}");
    }
}

#[tokio::test]
async fn who_leaves_the_line_holds_up_nobody() {
    let (plugin, go) = waiting();
    let instance = connect(plugin.config().with_connection(connection(|build| build.with_max_connections(1))));
    let begun = |payload: &'static str| {
        let mut call = Box::pin(instance.service().clone().oneshot(Call::new(Bytes::from_static(payload.as_bytes()))));
        assert!((&mut call).now_or_never().is_none());
        call
    };
    let first = tokio::spawn(begun("1"));
    let (second, third) = (begun("2"), begun("3"));
    plugin.until_seen(1).await;
    drop(second);
    go.add_permits(2);
    within(first).await.expect("no panic").expect("a reply");
    assert_eq!(within(third).await.expect("its turn").payload(), "3");
    assert_eq!(plugin.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_that_ended_with_a_call_on_it_is_lost_until_a_call_is_answered() {
    let plugin = Scripted::start(|number, request: &Value| match number {
        1 => Act::Close(Vec::new()),
        _ => Act::Write(ok(request, "1")),
    });
    let instance = plugin.connect();
    let reach = instance.service().reach();
    assert!(!reach.is_lost());
    call(&instance, "1").await.expect("a reply");
    call(&instance, "1").await.expect_err("it closed the connection");
    assert!(reach.is_lost(), "a connection ended with a call on it");
    within(reach.connect()).await.expect("it is there");
    assert!(reach.is_lost(), "which says nothing of its answers");
    call(&instance, "1").await.expect("a reply");
    assert!(!reach.is_lost());
    within(instance.close(Duration::from_secs(1))).await.expect("nothing is in flight");
    within(reach.closed()).await;
}

#[tokio::test]
async fn a_try_without_a_call_says_whether_the_plugin_can_be_reached() {
    let place = Place::new();
    let instance = connect(place.config());
    let reach = instance.service().reach();
    assert!(!reach.is_lost(), "nobody has tried");
    within(reach.connect()).await.expect_err("nobody listens");
    assert!(reach.is_lost());
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    within(reach.connect()).await.expect("it listens");
    assert!(!reach.is_lost());
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_takes_no_place_from_one_that_lives() {
    let go: Vec<_> = (0..3).map(|_| Arc::new(Semaphore::new(0))).collect();
    let told = go.clone();
    let plugin = Scripted::start(move |number, request| match (told.get(number), number) {
        (Some(go), _) => Act::Wait(Arc::clone(go), ok(request, "1")),
        (None, 3) => Act::Close(ok(request, "1")),
        _ => Act::Write(ok(request, "1")),
    });
    let limits = connection(|build| build.with_max_connections(3).with_max_idle_connections(2));
    let instance = connect(plugin.config().with_connection(limits));
    let mut calls = Vec::new();
    for number in 0..3 {
        calls.push(tokio::spawn(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")))));
        plugin.until_seen(number + 1).await;
    }
    let last = calls.pop().expect("three");
    for (call, go) in calls.into_iter().zip(&go) {
        go.add_permits(1);
        within(call).await.expect("no panic").expect("a reply");
    }
    // On the one that was used last, which the plugin closes behind its answer.
    call(&instance, "1").await.expect("a reply");
    plugin.until_open(2).await;
    go[2].add_permits(1);
    within(last).await.expect("no panic").expect("a reply");
    let (one, other) = tokio::join!(call(&instance, "1"), call(&instance, "1"));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(plugin.accepted(), 3, "both that live were kept");
}
