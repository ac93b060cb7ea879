//! Connections: those that end, those that cannot be made, and those over a Unix socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use plugin_core::{ByErrorType, Call, Classify, Code, PluginError, Reply, Sent, Verdict};
use plugin_transports::{
    grpc::{GrpcConfig, GrpcServerOptions, serve},
    inproc::plugin_fn,
    listen::{UnixSocket, UnixSocketOptions},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::ServiceExt;

use crate::{
    peer::{Answer, Peer},
    refusing::{REFUSALS, serve as refusing},
    support::{call, config, connect, echo, listener, send, serving, within},
};

#[tokio::test]
async fn what_was_not_taken_was_never_sent() {
    for (refusal, is_unsent) in REFUSALS {
        let address = within(refusing(refusal)).await;
        let error = call(&connect(config(address)), "1").await.expect_err("it is not taken");
        let sent = if is_unsent { Sent::Nothing } else { Sent::Maybe };
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, sent), "{refusal:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_an_attempt_that_failed_and_the_next_call_tries_again() {
    let (gone, address) = listener().await;
    drop(gone);
    let instance = connect(config(address));
    for _ in 0..3 {
        let error = call(&instance, "1").await.expect_err("nobody is there");
        assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Nothing, true));
        assert_eq!(ByErrorType.classify(Err::<&(), _>(&error)).verdict(), Verdict::Failure);
    }
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let _server = serve(echo(), listener, GrpcServerOptions::new()).expect("an address");
    assert_eq!(call(&instance, "1").await.expect("it is back").payload(), "1");
}

#[tokio::test]
async fn a_call_comes_back_over_a_unix_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("p.sock");
    let place = path.as_path().try_into().expect("a path");
    let socket = UnixSocket::bind(&place, UnixSocketOptions::new()).await.expect("a socket");
    let server = serve(echo(), socket, GrpcServerOptions::new()).expect("an address");
    let instance = connect(GrpcConfig::builder("p", format!("unix:{}", path.display())));
    assert_eq!(call(&instance, "[1]").await.expect("an echo").payload(), "[1]");
    assert!(instance.check().await.state.is_serving());
    server.shutdown(Duration::from_secs(5)).await.expect("nothing is busy");
    let error = call(&instance, "1").await.expect_err("nobody is there");
    assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Nothing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_and_comes_back_under_64_way_load_costs_typed_errors_only() {
    const WAYS: usize = 64;
    let plugin = || {
        plugin_fn(|call: Call<Bytes>| async move {
            tokio::task::yield_now().await;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        })
    };
    let (first, address) = listener().await;
    let mut server = serve(plugin(), first, GrpcServerOptions::new()).expect("an address");
    let instance = connect(config(address));
    let good = Arc::new(AtomicUsize::new(0));
    let ending = Arc::new(AtomicBool::new(false));
    let callers = (0..WAYS).map(|way| {
        let (service, good) = (instance.service().clone(), Arc::clone(&good));
        let ending = Arc::clone(&ending);
        tokio::spawn(async move {
            for number in 0.. {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                let payload = Bytes::from(format!("[{way},{number}]"));
                match within(service.clone().oneshot(Call::new(payload.clone()))).await {
                    Ok(reply) => {
                        assert_eq!(reply.payload(), &payload, "another caller's reply");
                        good.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => {
                        assert!(
                            matches!(error.code(), Code::ConnectionFailed | Code::GrpcTransport),
                            "no typed error of a lost connection: {error:?}"
                        );
                        tokio::task::yield_now().await;
                    }
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for _ in 0..3 {
        let so_far = good.load(Ordering::SeqCst);
        within(async {
            while good.load(Ordering::SeqCst) < so_far + 500 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // Cut off: no grace.
        let _ = server.shutdown(Duration::ZERO).await;
        let listener = within(async {
            loop {
                if let Ok(listener) = TcpListener::bind(address).await {
                    return listener;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        server = serve(plugin(), listener, GrpcServerOptions::new()).expect("an address");
    }
    let so_far = good.load(Ordering::SeqCst);
    within(async {
        while good.load(Ordering::SeqCst) < so_far + 500 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    ending.store(true, Ordering::SeqCst);
    for caller in callers {
        within(caller).await.expect("no caller had another's reply, nor an error without a type");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_order_costs_no_call() {
    let server = serving(echo(), GrpcServerOptions::new()).await;
    let address = server.local_addr();
    let instance = connect(config(address));
    call(&instance, "1").await.expect("a reply");
    server.shutdown(Duration::from_secs(5)).await.expect("nothing is busy");
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let _server = serve(echo(), listener, GrpcServerOptions::new()).expect("an address");
    for reply in join_all((0..20).map(|_| call(&instance, "1"))).await {
        reply.expect("no call is lost");
    }
}

#[tokio::test]
async fn what_is_closed_refuses_and_lets_calls_in_flight_end() {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (told, waits) = (Arc::clone(&begun), Arc::clone(&go));
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let (told, waits) = (Arc::clone(&told), Arc::clone(&waits));
        async move {
            told.add_permits(1);
            waits.acquire().await.expect("it is never closed").forget();
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let instance = connect(config(server.local_addr()));
    let running = tokio::spawn(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1"))));
    within(begun.acquire()).await.expect("it is never closed").forget();
    let mut closing = instance.close(Duration::from_secs(20));
    assert!(futures_util::poll!(&mut closing).is_pending(), "a call is in flight");
    let error = call(&instance, "1").await.expect_err("closed");
    assert_eq!((error.code(), error.sent()), (Code::Draining, Sent::Nothing));
    go.add_permits(1);
    assert_eq!(within(running).await.expect("no panic").expect("a reply").payload(), "1");
    within(closing).await.expect("all has ended");
}

#[tokio::test]
async fn a_payload_that_is_too_long_is_not_sent() {
    let peer = Peer::answering(Answer::reply("1")).await;
    let instance = connect(config(peer.address).with_max_request(1024));
    let long = Bytes::from(format!("\"{}\"", "x".repeat(1023)));
    let error = send(&instance, Call::new(long.clone())).await.expect_err("too long");
    assert_eq!((error.code(), error.sent()), (Code::PayloadTooLarge, Sent::Nothing));
    assert_eq!((peer.accepted(), peer.seen().len()), (0, 0));
}

#[tokio::test]
async fn a_payload_that_is_too_long_for_the_plugin_is_refused_by_it() {
    let server = serving(echo(), GrpcServerOptions::new().with_max_message(2048)).await;
    let long = Bytes::from(format!("\"{}\"", "x".repeat(1023)));
    let instance = connect(config(server.local_addr()));
    let longer = Bytes::from(format!("\"{}\"", "x".repeat(4000)));
    let error = send(&instance, Call::new(longer)).await.expect_err("too long");
    assert_eq!((error.code(), error.sent(), error.is_of_reply()), (Code::PayloadTooLarge, Sent::Maybe, false));
    assert_eq!(send(&instance, Call::new(long.clone())).await.expect("an echo").payload(), &long);
}
