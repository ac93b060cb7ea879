//! How connections are shared, capped, kept and thrown away.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use plugin_core::{Call, Code, Sent};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};
use tower::{Service, ServiceExt};

use crate::support::{Act, Scripted, call, connect, connection, ok, send, settle, within};

fn numbered(number: usize) -> Call<Bytes> {
    let mut call = Call::new(Bytes::from(number.to_string()));
    call.context_mut().set_request_id(&format!("call-{number}"));
    call
}

/// The numbers of the calls in the order in which the plugin saw them.
fn order(plugin: &Scripted) -> Vec<usize> {
    let number = |request: &String| {
        let rest = request.split("x-request-id: call-").nth(1).expect("an id");
        rest.split("\r\n").next().expect("a line").parse().expect("a number")
    };
    plugin.seen().iter().map(number).collect()
}

#[tokio::test]
async fn the_cap_holds_and_calls_are_served_in_the_order_in_which_they_came() {
    let told = Arc::new(Semaphore::new(0));
    let script = Arc::clone(&told);
    let plugin = Scripted::start(move |_, _| Act::Wait(Arc::clone(&script), ok("{}"))).await;
    let instance = connect(plugin.config().with_connection(connection(|config| config.with_max_connections(2))));
    let mut calls: FuturesUnordered<_> = (0..8).map(|number| send(&instance, numbered(number))).collect();
    within(async {
        for number in 0..8 {
            tokio::select! {
                _ = calls.next() => panic!("nothing was answered yet"),
                () = plugin.until_seen(if number == 0 { 2 } else { (number + 2).min(8) }) => {}
            }
            told.add_permits(1);
            calls.next().await.expect("a call").expect("a reply");
        }
    })
    .await;
    let order = order(&plugin);
    assert_eq!(
        {
            let mut first = order[..2].to_vec();
            first.sort_unstable();
            first
        },
        [0, 1]
    );
    assert_eq!(order[2..], [2, 3, 4, 5, 6, 7]);
    assert_eq!((plugin.most_open(), plugin.accepted()), (2, 2));
}

#[tokio::test]
async fn a_dropped_call_cuts_its_connection_and_frees_its_place() {
    let plugin =
        Scripted::start(|number, _| if number == 0 { Act::Stall(Vec::new()) } else { Act::Answer(ok("{}")) }).await;
    let instance = connect(plugin.config().with_connection(connection(|config| config.with_max_connections(1))));
    let mut first = instance.service().clone().call(numbered(0));
    tokio::select! {
        _ = &mut first => panic!("it was not answered"),
        () = plugin.until_seen(1) => {}
    }
    // One that gives up its place in line must not hold up those behind it.
    let mut gone = instance.service().clone().call(numbered(1));
    assert!(futures_util::poll!(&mut gone).is_pending());
    let mut third = instance.service().clone().call(numbered(2));
    assert!(futures_util::poll!(&mut third).is_pending());
    assert_eq!(instance.service().free_connections(), 0);
    drop(gone);
    drop(first);
    within(third).await.expect("a reply");
    assert_eq!((order(&plugin), plugin.most_open()), (vec![0, 2], 1));
}

#[tokio::test]
async fn who_waits_too_long_in_line_has_sent_nothing() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let settings = connection(|config| config.with_max_connections(1).with_request_timeout(Duration::from_secs(60)));
    let instance = connect(plugin.config().with_connection(settings));
    let mut first = instance.service().clone().call(numbered(0));
    assert!(futures_util::poll!(&mut first).is_pending());
    let late = numbered(1).with_timeout(Duration::from_millis(30));
    let error = tokio::select! {
        _ = &mut first => panic!("it was not answered"),
        error = send(&instance, late) => error.expect_err("no turn"),
    };
    assert_eq!((error.code(), error.sent()), (Code::Timeout, Sent::Nothing));
    assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some("waiting for a free connection"));
}

#[tokio::test]
async fn a_connection_serves_one_call_after_the_other_unless_it_may_not() {
    let plugin = Scripted::answering(ok("{}")).await;
    let instance = connect(plugin.config());
    for _ in 0..5 {
        call(&instance, "1").await.expect("a reply");
    }
    assert_eq!(plugin.accepted(), 1);

    let single = connect(plugin.config().with_connection(connection(|config| config.with_keep_alive(false))));
    for _ in 0..3 {
        call(&single, "1").await.expect("a reply");
    }
    assert_eq!(plugin.accepted(), 4);
    assert!(plugin.seen()[5..].iter().all(|request| request.contains("connection: close")));
}

#[tokio::test]
async fn an_error_answer_gives_its_connection_back() {
    let plugin = Scripted::answering(crate::support::answer("503 Service Unavailable", "", "later")).await;
    let instance = connect(plugin.config());
    for _ in 0..3 {
        call(&instance, "1").await.expect_err("503");
    }
    assert_eq!(plugin.accepted(), 1);
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed_and_none_for_too_long() {
    let told = Arc::new(Semaphore::new(0));
    let script = Arc::clone(&told);
    let plugin = Scripted::start(move |_, _| Act::Wait(Arc::clone(&script), ok("{}"))).await;
    let settings = |config: plugin_transports::ConnectionConfigBuilder| {
        config.with_max_idle_connections(2).with_idle_timeout(Duration::from_millis(300))
    };
    let instance = connect(plugin.config().with_connection(connection(settings)));
    let calls: Vec<_> =
        (0..5).map(|number| tokio::spawn(instance.service().clone().oneshot(numbered(number)))).collect();
    plugin.until_seen(5).await;
    told.add_permits(5);
    for call in calls {
        within(call).await.expect("no panic").expect("a reply");
    }
    plugin.until_open(2).await;
    plugin.until_open(0).await;
    assert_eq!(plugin.accepted(), 5);
}

#[tokio::test]
async fn a_connection_that_the_plugin_closed_meanwhile_costs_nobody_a_call() {
    let plugin = Scripted::start(|_, _| Act::Close(ok("{}"))).await;
    let instance = connect(plugin.config());
    for number in 1..20 {
        call(&instance, "1").await.expect("a reply");
        plugin.until_open(0).await;
        settle().await;
        assert_eq!(plugin.accepted(), number);
    }
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight_and_refuses_what_is_new() {
    let told = Arc::new(Semaphore::new(0));
    let script = Arc::clone(&told);
    let plugin = Scripted::start(move |_, _| Act::Wait(Arc::clone(&script), ok("{}"))).await;
    let instance = connect(plugin.config());
    let running = tokio::spawn(instance.service().clone().oneshot(numbered(0)));
    plugin.until_seen(1).await;
    let mut closing = instance.close(Duration::from_secs(20));
    assert!(futures_util::poll!(&mut closing).is_pending());
    let error = call(&instance, "1").await.expect_err("closed");
    assert_eq!((error.code(), error.sent()), (Code::Draining, Sent::Nothing));
    told.add_permits(1);
    within(closing).await.expect("all ended");
    within(running).await.expect("no panic").expect("a reply");
    plugin.until_open(0).await;
    within(instance.close(Duration::from_secs(20))).await.expect("closing twice does no harm");
}

#[tokio::test]
async fn closing_cuts_off_what_does_not_end() {
    let plugin = Scripted::start(|_, _| Act::Stall(Vec::new())).await;
    let instance = connect(plugin.config());
    let running = tokio::spawn(instance.service().clone().oneshot(numbered(0)));
    plugin.until_seen(1).await;
    let error = within(instance.close(Duration::from_millis(20))).await.expect_err("one was left");
    assert!(error.message().starts_with("cut off 1 call that had not ended within"), "{error}");
    let error = within(running).await.expect("no panic").expect_err("cut off");
    assert_eq!((error.code(), error.sent()), (Code::Draining, Sent::Maybe));
    plugin.until_open(0).await;
}

#[tokio::test]
async fn a_connection_whose_request_was_never_read_to_its_end_holds_up_nobody() {
    let (listening, address) = crate::support::listener().await;
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listening.accept().await {
            // It answers when it has seen the head, and leaves the rest of a long request where it is.
            let mut head = vec![0; 100];
            let _ = stream.read_exact(&mut head).await;
            let _ = stream.write_all(&ok("{}")).await;
            kept.push(stream);
        }
    });
    let config = plugin_transports::http::HttpConfig::builder("p", format!("http://{address}/"));
    let instance = connect(config.with_connection(connection(|config| config.with_max_connections(1))));
    let long = format!("\"{}\"", "x".repeat(9 << 20));
    send(&instance, Call::new(long.into())).await.expect("a reply");
    call(&instance, "1").await.expect("a reply on another connection");
}

/// A plugin over HTTP/2 behind a relay that carries one connection, and ends when its client has closed that: a server
/// that has no room for another would close an idle one by itself.
async fn relayed() -> (plugin_transports::listen::Serving, std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let echo = plugin_transports::inproc::plugin_fn(|call: Call<Bytes>| async move {
        Ok(plugin_core::Reply::new(call.into_payload()))
    });
    let options = plugin_transports::http::ServerOptions::new();
    let serving =
        plugin_transports::http::serve(echo, crate::support::listener().await.0, options).expect("an address");
    let (listener, address) = crate::support::listener().await;
    let server = serving.local_addr();
    let relay = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let mut server = tokio::net::TcpStream::connect(server).await.expect("it listens");
        // How it ends does not matter.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    (serving, address, relay)
}

#[tokio::test]
async fn an_idle_connection_of_http2_is_closed_too() {
    let (_serving, address, relay) = relayed().await;
    let config = plugin_transports::http::HttpConfig::builder("p", format!("http://{address}/"));
    let settings = connection(|config| config.with_idle_timeout(Duration::from_millis(100)));
    let instance = connect(config.with_version(plugin_transports::http::HttpVersion::Http2).with_connection(settings));
    call(&instance, "1").await.expect("a reply");
    within(relay).await.expect("the client has closed it");
}

#[tokio::test]
async fn closing_closes_a_connection_of_http2_that_nobody_uses() {
    let (_serving, address, relay) = relayed().await;
    let config = plugin_transports::http::HttpConfig::builder("p", format!("http://{address}/"));
    let instance = connect(config.with_version(plugin_transports::http::HttpVersion::Http2));
    call(&instance, "1").await.expect("a reply");
    within(instance.close(Duration::from_secs(5))).await.expect("no call is in flight");
    within(relay).await.expect("the client has closed it, though its instance lives");
    drop(instance);
}

#[tokio::test]
async fn a_connection_of_http2_that_is_being_opened_is_given_up_with_its_instance() {
    let (asked, held) = (Arc::new(Semaphore::new(0)), Arc::new(()));
    let (ask, hold) = (Arc::clone(&asked), Arc::clone(&held));
    let resolver = plugin_transports::dial::Resolver::new(move |_, _| {
        ask.add_permits(1);
        let held = Arc::clone(&hold);
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    let config = plugin_transports::http::HttpConfig::builder("p", "http://plugin.test:1/");
    let settings = connection(|config| config.with_connection_timeout(Duration::from_secs(3600)));
    let config = config.with_version(plugin_transports::http::HttpVersion::Http2).with_connection(settings);
    let instance = connect(config.with_resolver(resolver));
    let call = tokio::spawn({
        let service = instance.service().clone();
        async move { tower::ServiceExt::oneshot(service, plugin_core::Call::new("1".into())).await }
    });
    within(asked.acquire()).await.expect("open").forget();
    assert_eq!(Arc::strong_count(&held), 3, "the name is being looked up");
    let closed = within(instance.close(Duration::from_millis(50))).await;
    assert!(closed.is_err(), "a call was in flight");
    within(call).await.expect("no panic").expect_err("it was turned away");
    within(async {
        while Arc::strong_count(&held) > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(instance);
}

/// A plugin that serves one connection after the other, as many a server in a script does, and keeps each until its client
/// closes it.
async fn one_at_a_time() -> std::net::SocketAddr {
    let (listener, address) = crate::support::listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            while crate::support::read_message(&mut stream).await.is_some() {
                if stream.write_all(&ok(r#"{"data":1}"#)).await.is_err() {
                    break;
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_check_of_a_plugin_that_is_at_the_connection_of_the_calls_is_none_while_it_answers_them() {
    let limit = Duration::from_millis(400);
    let config = plugin_transports::http::HttpConfig::builder("p", format!("http://{}/run", one_at_a_time().await));
    let config = config.with_connection(connection(|config| config.with_request_timeout(2 * limit)));
    let config = config.build().expect("valid settings").with_check_limit(limit);
    let instance = plugin_transports::http::HttpPlugin::connect(config).expect("nothing to read");
    call(&instance, "1").await.expect("a reply");
    let calls = async {
        loop {
            call(&instance, "1").await.expect("a reply, on the same connection");
        }
    };
    let status = tokio::select! {
        status = within(instance.check()) => status,
        () = calls => unreachable!("they go on"),
    };
    assert!(status.is_not_checked(), "{status:?}");
    // What was given up is closed; the next one is kept. Where no call is answered either, nothing speaks for the plugin.
    call(&instance, "1").await.expect("a reply");
    let status = within(instance.check()).await;
    assert!(!status.is_not_checked() && !status.state.is_serving(), "{status:?}");
}
