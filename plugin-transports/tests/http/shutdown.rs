//! How a server stops.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Code, Reply};
use plugin_transports::{
    http::{HttpConfig, HttpVersion, ServerOptions, serve},
    inproc::plugin_fn,
    listen::Serving,
};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Notify, Semaphore},
};
use tower::ServiceExt;

use crate::support::{connect, listener, within};

/// A plugin that answers when it is given a permit, and says when it has begun.
async fn patient() -> (Serving, Arc<Notify>, Arc<Semaphore>) {
    let (begun, told) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (starting, waiting) = (Arc::clone(&begun), Arc::clone(&told));
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let (begun, told) = (Arc::clone(&starting), Arc::clone(&waiting));
        async move {
            begun.notify_one();
            told.acquire().await.expect("it is never closed").forget();
            Ok(Reply::new(call.into_payload()))
        }
    });
    (serve(plugin, listener().await.0, ServerOptions::new()).expect("an address"), begun, told)
}

#[tokio::test]
async fn a_call_in_flight_ends_and_no_connection_is_taken_after() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (serving, begun, told) = patient().await;
        let address = serving.local_addr();
        let instance = connect(HttpConfig::builder("p", format!("http://{address}/")).with_version(version));
        // Idle, begun, and without a word: none of these holds up the end.
        let mut silent = TcpStream::connect(address).await.expect("a connection");
        let running = tokio::spawn(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1"))));
        within(begun.notified()).await;
        let stopping = tokio::spawn(serving.shutdown(Duration::from_secs(20)));
        let _ = within(silent.read_to_end(&mut Vec::new())).await;
        assert!(!stopping.is_finished(), "one call is in flight");
        told.add_permits(1);
        assert_eq!(within(running).await.expect("no panic").expect("a reply").payload(), "1");
        within(stopping).await.expect("no panic").expect("all ended");
        let error = crate::support::call(&instance, "1").await.expect_err("nobody there");
        assert_eq!(error.code(), Code::ConnectionFailed, "{error:?}");
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off() {
    let (serving, begun, _told) = patient().await;
    let instance = connect(HttpConfig::builder("p", format!("http://{}/", serving.local_addr())));
    let running = tokio::spawn(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1"))));
    within(begun.notified()).await;
    let error = within(serving.shutdown(Duration::from_millis(20))).await.expect_err("one was busy");
    assert_eq!(error.code(), Code::Draining);
    let error = within(running).await.expect("no panic").expect_err("cut off");
    assert_eq!(error.code(), Code::ConnectionFailed);
}

#[tokio::test]
async fn a_server_that_is_dropped_stops_too() {
    let (serving, _, _) = patient().await;
    let address = serving.local_addr();
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    crate::support::settle().await;
    drop(serving);
    let _ = within(silent.read_to_end(&mut Vec::new())).await;
    // The listener is gone, so its port can be had again.
    within(async {
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await
        }
    })
    .await;
}
