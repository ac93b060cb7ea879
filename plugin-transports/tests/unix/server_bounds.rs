//! The bounds of a plugin's server, and its end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply};
use plugin_transports::{inproc::plugin_fn, listen::ListenOptions, unix::UnixServerOptions};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, Semaphore},
};

use crate::support::{Place, millis, within};

async fn echo(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    Ok(Reply::new(call.into_payload()))
}

const PING: &str = r#"{"type":"ping","request_id":"1"}"#;

#[tokio::test]
async fn an_endless_line_ends_its_connection_with_an_error() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(echo), UnixServerOptions::new().with_max_line(4096)).await;
    let mut host = place.host().await;
    let (mut read, mut write) = host.0.get_mut().split();
    let endless = async {
        // Until nobody reads any more.
        while write.write_all(&[b'x'; 1024]).await.is_ok() {}
    };
    let mut said = Vec::new();
    // It ends as a connection does whose other side has not read everything.
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said);
    let _ = within(async { tokio::join!(endless, reading) }).await;
    let reply: serde_json::Value = serde_json::from_slice(&said).expect("one line");
    assert_eq!(reply["headers"], json!({"X-Plugin-Code": "PLUGIN_1207"}));
    assert_eq!(reply["error"], json!("the request is longer than 4096 bytes"));
    // One of exactly the limit passes.
    let mut host = place.host().await;
    let line = |length: usize| {
        let begin = r#"{"type":"execute","request_id":"r1","data":""#;
        format!("{begin}{}\"}}", "x".repeat(length - begin.len() - 2))
    };
    assert_eq!(host.ask(&line(4096)).await["success"], json!(true));
    assert_eq!(host.ask(&line(4097)).await["headers"]["X-Plugin-Code"], json!("PLUGIN_1207"));
    assert_eq!(host.line().await, None);
}

#[tokio::test]
async fn a_line_that_comes_byte_by_byte_has_a_time_of_its_own() {
    let place = Place::new();
    let options = UnixServerOptions::new().with_line_timeout(millis(100));
    let _server = place.serve(plugin_fn(echo), options).await;
    let mut host = place.host().await;
    let (read, mut write) = host.0.get_mut().split();
    let slow = async {
        // Each byte is quick enough; all of them are not.
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(millis(10)).await;
        }
        // What was said before it was cut off is there to be read.
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(read));
        lines.next_line().await.expect("it is answered").expect("with a line")
    };
    let said = within(async {
        tokio::select! {
            said = reading => said,
            () = slow => unreachable!("it is pending"),
        }
    })
    .await;
    assert!(said.contains("the request did not arrive within 100ms"), "{said}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_in_work_is_not() {
    let place = Place::new();
    let go = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&go);
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let go = Arc::clone(&waiting);
        async move {
            go.acquire().await.expect("it is never closed").forget();
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let listen = ListenOptions::new().with_idle_timeout(millis(100));
    let _server = place.serve(plugin, UnixServerOptions::new().with_listen(listen)).await;
    let (mut idle, mut busy) = (place.host().await, place.host().await);
    assert_eq!(idle.ask(PING).await["success"], json!(true));
    busy.write("{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":7}\n").await;
    assert_eq!(idle.line().await, None);
    go.add_permits(1);
    assert_eq!(busy.reply().await["data"], json!(7));
}

#[tokio::test]
async fn connections_have_a_cap_and_an_idle_one_makes_room() {
    let place = Place::new();
    let listen = ListenOptions::new().with_max_connections(2);
    let _server = place.serve(plugin_fn(echo), UnixServerOptions::new().with_listen(listen)).await;
    let mut hosts = Vec::new();
    for _ in 0..6 {
        let mut host = place.host().await;
        assert_eq!(host.ask(PING).await["success"], json!(true));
        hosts.push(host);
    }
    for mut host in hosts.drain(..4) {
        assert_eq!(host.line().await, None, "those that were idle for longest have made room");
    }
    for mut host in hosts {
        assert_eq!(host.ask(PING).await["success"], json!(true));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let place = Place::new();
    let listen = ListenOptions::new().with_write_timeout(millis(100));
    let _server = place.serve(plugin_fn(echo), UnixServerOptions::new().with_listen(listen)).await;
    let mut host = place.host().await;
    let text = "x".repeat(3 << 20);
    host.write(format!("{{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":\"{text}\"}}\n")).await;
    // The answer has begun. It is left alone for longer than that, and then read as far as it goes.
    within(host.0.get_ref().readable()).await.expect("it is open");
    tokio::time::sleep(millis(400)).await;
    let line = host.line().await.expect("a part of it");
    assert!(!line.ends_with('\n') && line.len() < text.len(), "{}", line.len());
}

#[tokio::test]
async fn a_server_that_stops_lets_what_is_in_work_end_and_cuts_off_the_rest() {
    let (go, called) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (waiting, begun) = (Arc::clone(&go), Arc::clone(&called));
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let (go, begun) = (Arc::clone(&waiting), Arc::clone(&begun));
        async move {
            begun.notify_one();
            go.acquire().await.expect("it is never closed").forget();
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    const CALL: &str = "{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":7}\n";
    let place = Place::new();
    let server = place.serve(plugin.clone(), UnixServerOptions::new()).await;
    assert_eq!(server.local_addr().file(), Some(place.path().as_path()));
    let (mut idle, mut busy) = (place.host().await, place.host().await);
    assert_eq!(idle.ask(PING).await["success"], json!(true));
    busy.write(CALL).await;
    within(called.notified()).await;
    let ending = tokio::spawn(server.shutdown(Duration::from_secs(20)));
    assert_eq!(idle.line().await, None);
    go.add_permits(1);
    assert_eq!(busy.reply().await["data"], json!(7));
    assert_eq!(busy.line().await, None);
    within(ending).await.expect("no panic").expect("all has ended");
    assert!(!place.path().exists(), "the socket is cleared away");

    let server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut busy = place.host().await;
    busy.write(CALL).await;
    within(called.notified()).await;
    let fault = within(server.shutdown(millis(50))).await.expect_err("it is still at work");
    assert_eq!(fault.code(), Code::Draining);
    assert_eq!(busy.line().await, None);
}

#[tokio::test]
async fn whoever_writes_nothing_but_line_feeds_is_cut_off() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(echo), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    host.write("\n".repeat(1000)).await;
    assert_eq!(host.ask(PING).await["success"], json!(true));
    host.write("\n".repeat(2000)).await;
    assert_eq!(host.line().await, None);
}
