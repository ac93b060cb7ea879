//! What a plugin's server answers, and when it stops working for somebody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, Code, HealthStatus, PluginError, PluginInfo, Rejected, Reply};
use plugin_transports::{inproc::plugin_fn, unix::UnixServerOptions};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, Semaphore},
};

use crate::support::{Host, Place, within};

/// A plugin that does what its payload says.
async fn obey(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let (context, payload) = call.into_parts();
    let order: Value = serde_json::from_slice(&payload).expect("the server has checked it");
    match order["do"].as_str() {
        Some("fail") => Err(PluginError::execution("no user")),
        Some("refuse") => Err(Rejected::rate_limited(Duration::from_millis(1500)).into()),
        Some("caller") => Err(PluginError::new(Code::InvalidPayload, "no name")),
        Some("panic") => panic!("as it was told"),
        Some("garbage") => Ok(Reply::new(Bytes::from_static(b"{\"a\":"))),
        Some("lines") => Ok(Reply::new(Bytes::from_static(b"[1,\n2]"))),
        Some("tell") => {
            let told = json!({
                "request_id": context.request_id().to_string(),
                "left": context.remaining(context.received()).map(|left| left.as_millis()),
                "headers": context.headers().map(|all| all.iter().map(|(name, value)| format!("{name}: {value:?}")).collect::<Vec<_>>()),
                "metadata": context.metadata(),
                "idempotent": context.idempotent(),
            });
            let metadata = [("took".to_owned(), "5".to_owned())].into();
            Ok(Reply::new(Bytes::from(told.to_string())).with_metadata(metadata))
        }
        _ => Ok(Reply::new(payload)),
    }
}

fn execute(id: &str, data: &str) -> String {
    format!(r#"{{"type":"execute","request_id":"{id}","data":{data}}}"#)
}

#[tokio::test]
async fn the_four_types_are_answered_as_go_plugins_reads_them() {
    let place = Place::new();
    let info = PluginInfo::new("echo", "1.2.0");
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new().with_info(info)).await;
    let mut host = place.host().await;
    host.write("{\"type\":\"ping\",\"request_id\":\"health-check\",\"data\":null}\n").await;
    let pong = host.line().await.expect("a reply");
    assert_eq!(pong, "{\"type\":\"ping\",\"request_id\":\"health-check\",\"success\":true}\n");
    host.write(execute("r1", r#"{"a": [1, 2.50]}"#) + "\n").await;
    let echo = host.line().await.expect("a reply");
    assert_eq!(echo, "{\"type\":\"execute\",\"request_id\":\"r1\",\"success\":true,\"data\":{\"a\": [1, 2.50]}}\n");
    let info = host.ask(r#"{"type":"info","request_id":"i","data":null,"timeout_ms":5000}"#).await;
    assert_eq!(
        (&info["success"], &info["data"]["name"], &info["data"]["version"]),
        (&json!(true), &json!("echo"), &json!("1.2.0"))
    );
    let health = host.ask(r#"{"type":"health","request_id":"h","data":null}"#).await;
    assert_eq!((&health["success"], &health["data"]["status"]), (&json!(true), &json!("healthy")));
}

#[tokio::test]
async fn what_travels_with_a_request_reaches_the_plugin_and_its_metadata_is_headers() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    let reply = host
        .ask(
            r#"{"type":"execute","request_id":"r-\"1\"","data":{"do":"tell"},"headers":{"X-Tenant":"t1","Idempotency-Key":"k"},
            "timeout_ms":30000,"metadata":{"k":"v"}}"#
                .replace('\n', "")
                .as_str(),
        )
        .await;
    let told = &reply["data"];
    assert_eq!((&told["request_id"], &told["left"]), (&json!("r-\"1\""), &json!(30000)));
    assert_eq!(told["headers"], json!(["idempotency-key: \"k\"", "x-tenant: \"t1\""]));
    assert_eq!((&told["metadata"], &told["idempotent"]), (&json!({"k": "v"}), &json!(true)));
    assert_eq!((&reply["headers"], &reply["request_id"]), (&json!({"took": "5"}), &json!("r-\"1\"")));
}

#[tokio::test]
async fn a_failure_says_its_code_in_a_header_and_a_panic_is_one() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    for (order, error, headers) in [
        ("fail", "no user", Value::Null),
        ("caller", "no name", json!({"X-Plugin-Code": "PLUGIN_1206"})),
        (
            "refuse",
            "rate limit",
            json!({"X-Plugin-Code": "RATELIMIT_1501", "X-Plugin-Retry-After-Ms": "1500", "X-Plugin-Retryable": "true"}),
        ),
        ("panic", "the plugin panicked", Value::Null),
        ("garbage", "the plugin's result cannot be sent: it is not JSON", Value::Null),
    ] {
        let reply = host.ask(&execute("r1", &json!({"do": order}).to_string())).await;
        assert_eq!(
            (&reply["success"], &reply["request_id"], &reply["headers"]),
            (&json!(false), &json!("r1"), &headers)
        );
        assert!(reply["error"].as_str().expect("a text").contains(error), "{order}: {reply}");
    }
    let lines = host.ask(&execute("r1", r#"{"do":"lines"}"#)).await;
    assert_eq!(lines["data"], json!([1, 2]), "on one line");
}

#[tokio::test]
async fn how_the_plugin_is_says_success_only_where_it_is_well() {
    for (status, success, state, error) in [
        (HealthStatus::healthy(), true, "healthy", Value::Null),
        (HealthStatus::degraded("one disk"), false, "degraded", json!("one disk")),
        (HealthStatus::unhealthy("no disk"), false, "unhealthy", json!("no disk")),
    ] {
        let place = Place::new();
        let options = UnixServerOptions::new().with_health(move || {
            let status = status.clone();
            async move { status }
        });
        let _server = place.serve(plugin_fn(obey), options).await;
        let health = place.host().await.ask(r#"{"type":"health","request_id":"h"}"#).await;
        assert_eq!(
            (&health["success"], &health["data"]["status"], &health["error"]),
            (&json!(success), &json!(state), &error)
        );
    }
    for (timeout, says) in [(10, "did not answer within 10ms"), (0, "panicked")] {
        let place = Place::new();
        let options = UnixServerOptions::new().with_health(move || async move {
            match timeout {
                0 => panic!("as it was told"),
                _ => std::future::pending().await,
            }
        });
        let _server = place.serve(plugin_fn(obey), options).await;
        let asked = format!(r#"{{"type":"health","request_id":"h","timeout_ms":{timeout}}}"#);
        let health = place.host().await.ask(&asked).await;
        assert_eq!(health["data"]["status"], json!("unhealthy"));
        assert!(health["error"].as_str().expect("a text").contains(says), "{health}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_the_connection_goes_on() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    for (line, kind, id, says) in [
        (&b"hello"[..], "", "", "not a request: expected value at byte 1"),
        (b"{\"type\":\"execute\",\"request_id\":\"r1\",\"data\":\"\xff\"}", "", "", "it is no UTF-8"),
        (b"{\"type\":\"run\",\"request_id\":\"r1\"}", "run", "r1", "one of execute, health, info, ping"),
        (b"{\"request_id\":\"r1\"}", "", "r1", "it has no `type`"),
        (b"[]", "", "", "a list stands where an object belongs"),
        (b"{\"type\":\"ping\",\"request_id\":7}", "ping", "7", "its `request_id` is 7"),
    ] {
        host.write([line, b"\n"].concat()).await;
        let reply = host.reply().await;
        let given = reply["request_id"].as_str().map_or_else(|| reply["request_id"].to_string(), str::to_owned);
        assert_eq!((&reply["type"], given.as_str(), &reply["success"]), (&json!(kind), id, &json!(false)));
        assert_eq!(reply["headers"], json!({"X-Plugin-Code": "PLUGIN_1206"}));
        assert!(reply["error"].as_str().expect("a text").contains(says), "{reply}");
    }
    let deep = execute("r1", &("[".repeat(129) + &"]".repeat(129)));
    assert!(host.ask(&deep).await["error"].as_str().expect("a text").contains("nested deeper"));
    // Line feeds alone are nothing, and one in a carriage is one.
    host.write("\n\r\n").await;
    assert_eq!(host.ask(&format!("{}\r", execute("r2", "7"))).await["data"], json!(7));
}

#[tokio::test]
async fn whoever_writes_nothing_but_faults_is_cut_off_after_sixteen() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    for _ in 0..2 {
        for _ in 0..15 {
            assert_eq!(host.ask("?").await["success"], json!(false));
        }
        assert_eq!(host.ask(r#"{"type":"ping"}"#).await["success"], json!(true), "which begins the count anew");
    }
    for _ in 0..16 {
        assert_eq!(host.ask("?").await["success"], json!(false));
    }
    assert_eq!(host.line().await, None);
}

#[tokio::test]
async fn a_host_whose_payloads_are_refused_keeps_its_connection() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    let deep = execute("r1", &("[".repeat(129) + &"]".repeat(129)));
    for _ in 0..40 {
        assert_eq!(host.ask(&deep).await["success"], json!(false));
    }
    assert_eq!(host.ask(&execute("r2", "7")).await["data"], json!(7));
}

#[tokio::test]
async fn a_request_of_more_than_64_kib_is_one_line_and_comes_back_whole() {
    let place = Place::new();
    let _server = place.serve(plugin_fn(obey), UnixServerOptions::new()).await;
    let mut host = place.host().await;
    let text = "x".repeat(3 << 20);
    // Written while it is read, since the socket does not hold as much.
    let reply = host.ask(&execute("r1", &format!("\"{text}\""))).await;
    assert_eq!(reply["data"].as_str().map(str::len), Some(text.len()));
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_turn() {
    let place = Place::new();
    let most = Arc::new(AtomicUsize::new(0));
    let (now, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most));
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host = place.host().await;
    let lines: String = (0..50).map(|number| execute(&format!("r{number}"), &number.to_string()) + "\n").collect();
    host.write(lines).await;
    for number in 0..50 {
        let reply = host.reply().await;
        assert_eq!((&reply["request_id"], &reply["data"]), (&json!(format!("r{number}")), &json!(number)));
    }
    assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time");
}

/// A plugin that never answers, and says when it was called and when its work was dropped.
fn hanging() -> (impl plugin_core::Plugin<Bytes, Bytes>, Arc<Notify>, Arc<Notify>) {
    let (called, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    struct Told(Arc<Notify>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (begin, end) = (Arc::clone(&called), Arc::clone(&dropped));
    let plugin = plugin_fn(move |_: Call<Bytes>| {
        let (begin, end) = (Arc::clone(&begin), Told(Arc::clone(&end)));
        async move {
            let _told = end;
            begin.notify_one();
            std::future::pending::<Result<Reply<Bytes>, PluginError>>().await
        }
    });
    (plugin, called, dropped)
}

#[tokio::test]
async fn the_work_is_dropped_when_the_caller_closes_the_connection() {
    let (plugin, called, dropped) = hanging();
    let place = Place::new();
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host = place.host().await;
    host.write(execute("r1", "1") + "\n").await;
    within(called.notified()).await;
    drop(host);
    within(dropped.notified()).await;
    // Also one that had sent so much ahead that no more is read.
    let mut host = place.host().await;
    host.write(execute("r1", "1") + "\n" + &execute("r2", "2") + "\n" + &"x".repeat(10_000)).await;
    within(called.notified()).await;
    drop(host);
    within(dropped.notified()).await;
}

#[tokio::test]
async fn who_closes_only_the_direction_in_which_it_sends_is_answered() {
    let go = Arc::new(Semaphore::new(0));
    let (waiting, called) = (Arc::clone(&go), Arc::new(Notify::new()));
    let begun = Arc::clone(&called);
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        let (go, begun) = (Arc::clone(&waiting), Arc::clone(&begun));
        async move {
            begun.notify_one();
            go.acquire().await.expect("it is never closed").forget();
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let place = Place::new();
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host = place.host().await;
    // The last line has no line feed, as `printf` leaves it.
    host.write(execute("r1", "1") + "\n" + &execute("r2", "2")).await;
    host.0.get_mut().shutdown().await.expect("it is open");
    within(called.notified()).await;
    go.add_permits(2);
    assert_eq!(host.reply().await["request_id"], json!("r1"));
    assert_eq!(host.reply().await["request_id"], json!("r2"));
    assert_eq!(host.line().await, None);
    // And when it closes the rest too, it is gone.
    let (plugin, called, dropped) = hanging();
    let place = Place::new();
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host = place.host().await;
    host.write(execute("r1", "1") + "\n").await;
    host.0.get_mut().shutdown().await.expect("it is open");
    within(called.notified()).await;
    let early = tokio::time::timeout(Duration::from_millis(50), dropped.notified()).await;
    assert!(early.is_err(), "somebody may still read");
    drop(host);
    within(dropped.notified()).await;
}

#[tokio::test]
async fn a_ping_behind_a_call_in_work_says_that_nobody_waits_for_it() {
    let (plugin, called, dropped) = hanging();
    let place = Place::new();
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host = place.host().await;
    host.write(execute("r1", "1") + "\n").await;
    within(called.notified()).await;
    host.write("{\"type\":\"ping\",\"request_id\":\"health-check\",\"data\":null}\n").await;
    within(dropped.notified()).await;
    assert_eq!(host.line().await, None, "neither is answered: which would be taken for which?");
}

#[tokio::test]
async fn the_work_ends_with_its_time_and_the_connection_after_it() {
    let (plugin, _, dropped) = hanging();
    let place = Place::new();
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let mut host: Host = place.host().await;
    let late = host.ask(r#"{"type":"execute","request_id":"r1","data":1,"timeout_ms":20}"#).await;
    within(dropped.notified()).await;
    assert_eq!((&late["success"], &late["headers"]["X-Plugin-Code"]), (&json!(false), &json!("PLUGIN_1204")));
    assert_eq!(host.line().await, None);
    let mut host = place.host().await;
    let passed = host.ask(r#"{"type":"execute","request_id":"r1","data":1,"timeout_ms":-1}"#).await;
    assert_eq!(passed["headers"]["X-Plugin-Code"], json!("PLUGIN_1204"));
}
