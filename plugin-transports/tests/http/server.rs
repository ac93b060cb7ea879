//! What a plugin's server does with what it is sent.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    Call, Code, HealthState, HealthStatus, Plugin, PluginError, Rejected, Reply, Sent, TraceContext, deadline::cut,
};
use plugin_transports::{
    http::{HttpConfig, HttpConfigBuilder, HttpVersion, PluginServer, ServerOptions, serve},
    inproc::plugin_fn,
    listen::{ListenOptions, Serving},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{call, connect, listener, send, within};

/// Answers with what it is asked for.
fn plugin() -> impl Plugin<Bytes, Bytes> {
    plugin_fn(|call: Call<Bytes>| async move {
        let (context, payload) = call.into_parts();
        match &payload[..] {
            b"\"fail\"" => Err(PluginError::execution("no such user")),
            b"\"refuse\"" => Err(Rejected::rate_limited(Duration::from_millis(2500)).into()),
            b"\"busy\"" => Err(PluginError::from(Rejected::overloaded())),
            b"\"garbage\"" => Ok(Reply::new(Bytes::from_static(b"garbage"))),
            b"\"panic\"" => panic!("asked to"),
            b"\"never\"" => std::future::pending().await,
            b"\"context\"" => {
                let headers = context.headers().map(|headers| headers["x-tenant"].to_str().expect("text").to_owned());
                let text = format!(
                    "{:?}",
                    (
                        context.request_id().to_string(),
                        headers,
                        context.trace().map(ToString::to_string),
                        context.idempotent()
                    )
                );
                let reply = Reply::new(serde_json::to_vec(&text).expect("text").into());
                Ok(reply.with_metadata(context.metadata().cloned().unwrap_or_default()))
            }
            _ => Ok(Reply::new(payload)),
        }
    })
}

async fn serving(options: ServerOptions) -> Serving {
    serve(plugin(), listener().await.0, options).expect("an address")
}

fn config(serving: &Serving) -> HttpConfigBuilder {
    HttpConfig::builder("p", format!("http://{}/", serving.local_addr()))
}

/// What is answered to these bytes, until the server closes the connection or the whole answer is there.
async fn raw(serving: &Serving, request: &str) -> String {
    let mut stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("written");
    within(crate::support::read_message(&mut stream)).await.expect("an answer")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_call_comes_back_over_both_versions() {
    let serving = serving(ServerOptions::new()).await;
    for version in [HttpVersion::Auto, HttpVersion::Http1, HttpVersion::Http2] {
        let instance = connect(config(&serving).with_version(version));
        for _ in 0..3 {
            assert_eq!(call(&instance, r#"{"a": 1}"#).await.expect("an echo").payload(), r#"{"a": 1}"#);
        }
        let error = call(&instance, "\"fail\"").await.expect_err("a failure");
        assert_eq!((error.code(), error.message()), (Code::ExecutionFailed, "no such user"));
    }
}

#[tokio::test]
async fn over_http2_many_calls_share_a_connection_and_none_is_lost() {
    let serving = serving(ServerOptions::new().with_listen(ListenOptions::new().with_max_connections(1))).await;
    let instance = connect(config(&serving).with_version(HttpVersion::Http2));
    let calls = (0..300).map(|number| send(&instance, Call::new(Bytes::from(number.to_string()))));
    for (number, reply) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(reply.expect("an echo").payload(), &number.to_string());
    }
    // A call that is given up takes its stream with it and leaves the others alone.
    let gone = send(&instance, Call::new(Bytes::from_static(b"\"never\"")).with_timeout(Duration::from_millis(20)));
    assert_eq!(gone.await.expect_err("too late").code(), Code::Timeout);
    call(&instance, "1").await.expect("an echo");
}

#[tokio::test]
async fn the_context_arrives_with_the_call() {
    let serving = serving(ServerOptions::new()).await;
    let mut request = Call::new(Bytes::from_static(b"\"context\""));
    let context = request.context_mut();
    context.set_request_id("order-17");
    context.headers_mut().insert("x-tenant", "t1".parse().expect("a value"));
    context.headers_mut().insert("idempotency-key", "k".parse().expect("a value"));
    context.metadata_mut().insert("region".into(), "eu".into());
    context.set_trace(TraceContext::new(0xabc, 0xdef, 1).expect("ids are not zero"));
    let reply = send(&connect(config(&serving)), request).await.expect("a reply");
    let text: String = serde_json::from_slice(reply.payload()).expect("text");
    let trace = "00-00000000000000000000000000000abc-0000000000000def-01";
    assert_eq!(text, format!("{:?}", ("order-17", Some("t1"), Some(trace), Some(true))));
    assert_eq!(reply.metadata()["region"], "eu");
}

#[tokio::test]
async fn what_the_plugin_does_wrong_is_its_failure_and_not_the_servers() {
    let serving = serving(ServerOptions::new()).await;
    let instance = connect(config(&serving));
    for (payload, says) in [("\"panic\"", "panicked"), ("\"garbage\"", "not JSON")] {
        let error = call(&instance, payload).await.expect_err(payload);
        assert_eq!(error.code(), Code::ExecutionFailed);
        assert!(error.message().contains(says), "{error}");
    }
    call(&instance, "1").await.expect("the server lives");
}

#[tokio::test]
async fn refusals_keep_their_status_and_say_when_to_come_back() {
    let serving = serving(ServerOptions::new()).await;
    let instance = connect(config(&serving));
    let error = call(&instance, "\"refuse\"").await.expect_err("a refusal");
    assert_eq!((error.code(), error.is_retryable()), (Code::RateLimited, true));
    assert_eq!((error.retry_after(), error.http_status()), (Some(Duration::from_millis(2500)), Some(429)));
    assert_eq!(error.to_string().matches("RATELIMIT_1501").count(), 1, "{error}");
    let error = call(&instance, "\"busy\"").await.expect_err("a refusal");
    assert_eq!((error.code(), error.http_status()), (Code::ConcurrencyExceeded, Some(503)));
}

#[tokio::test]
async fn each_bad_request_has_its_status_and_says_what_is_wrong() {
    let serving = serving(ServerOptions::new().with_max_body(1000)).await;
    let long = format!("{{\"data\":\"{}\"}}", "x".repeat(1000));
    for (request, status, says) in [
        (post("", "hello"), 400, "not an envelope"),
        (post("", "[]"), 400, "a list stands where an object belongs"),
        (post("", ""), 400, "not an envelope"),
        (post("", "{\"timeout\":\"soon\"}"), 400, "`timeout`"),
        (post("x-request-timeout: soon\r\n", "{}"), 400, "`X-Request-Timeout`"),
        (post("content-type: text/plain\r\n", "{}"), 415, "application/json"),
        (post("content-encoding: gzip\r\n", "{}"), 415, "not compressed"),
        (post("", &long), 413, "1000 bytes"),
        ("PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_owned(), 405, "a call is a POST"),
        ("GET /else HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405, "allow: POST"),
    ] {
        let answer = raw(&serving, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(says) && answer.contains("application/problem+json"), "{request}: {answer}");
    }
    let answer = raw(&serving, &post("content-type: application/json; charset=utf-8\r\n", "{\"data\":1}")).await;
    assert!(answer.contains(r#"{"data":1,"request_id":""#), "{answer}");
}

#[tokio::test]
async fn no_page_in_a_browser_calls_a_plugin_nor_does_a_name_that_is_not_its() {
    let serving = serving(ServerOptions::new().with_allowed_hosts(["plugin.internal"])).await;
    let json = "content-type: application/json\r\n";
    let of = |host: &str, more: &str| {
        post(&format!("{json}{more}"), "{\"data\":1}").replace("host: localhost", &format!("host: {host}"))
    };
    for (host, more) in [
        ("localhost", "origin: https://evil.example\r\n"),
        ("localhost", "sec-fetch-site: cross-site\r\n"),
        ("evil.example", ""),
        ("evil.example", "origin: http://evil.example\r\nsec-fetch-site: same-origin\r\n"),
    ] {
        let answer = raw(&serving, &of(host, more)).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("AUTH_1107"), "{host} {more}: {answer}");
    }
    let answer = raw(&serving, &post("", "{}").replace("host: localhost\r\n", "")).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("no line `Host`"), "{answer}");
    let address = serving.local_addr().to_string();
    for (host, more) in [
        (&*address, ""),
        ("localhost:1", "origin: http://localhost:1\r\nsec-fetch-site: same-origin\r\n"),
        ("plugin.internal", ""),
    ] {
        let answer = raw(&serving, &of(host, more)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host} {more}: {answer}");
    }
    let health = "HEAD /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
    stream.write_all(health.as_bytes()).await.expect("written");
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.expect("an end");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "a head and nothing else: {answer}");
}

#[tokio::test]
async fn a_body_of_a_hundred_mebibytes_is_refused_before_it_is_read() {
    let serving = serving(ServerOptions::new()).await;
    let announced = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\n\r\n";
    assert!(raw(&serving, announced).await.starts_with("HTTP/1.1 413 "));

    let mut stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .expect("written");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0_u64;
    let ended = within(async {
        // The server answers and closes, so that at some point nothing more can be written.
        while sent < 100 << 20 {
            if stream.write_all(&chunk).await.is_err() {
                return true;
            }
            sent += chunk.len() as u64;
        }
        false
    });
    assert!(ended.await, "all of it was taken");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let serving = serving(ServerOptions::new().with_body_timeout(Duration::from_millis(30))).await;
    let answer = raw(&serving, "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not arrive within 30ms"), "{answer}");
}

#[tokio::test]
async fn who_sends_no_request_is_hung_up_on() {
    let listen = ListenOptions::new().with_head_timeout(Duration::from_millis(30));
    let serving = serving(ServerOptions::new().with_listen(listen)).await;
    for begun in ["", "P", "POST / HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut stream = TcpStream::connect(serving.local_addr()).await.expect("a connection");
        stream.write_all(begun.as_bytes()).await.expect("written");
        // An end or a reset: either way it is over.
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
    }
}

/// Tells that it was dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_deadline_of_a_call_is_kept_and_stops_the_work() {
    for headers in ["x-request-timeout: 30ms\r\n", ""] {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        let plugin = plugin_fn(move |call: Call<Bytes>| {
            let dropped = Dropped(Arc::clone(&flag));
            async move {
                let _dropped = dropped;
                assert!(call.context().deadline().is_some());
                std::future::pending().await
            }
        });
        let serving = serve(plugin, listener().await.0, ServerOptions::new()).expect("an address");
        let answer = raw(&serving, &post(headers, r#"{"timeout":"50ms"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("PLUGIN_1204"), "{answer}");
        assert!(stopped.load(Ordering::SeqCst));
    }
}

/// Asks why it is dropped, as a breaker's guard does, and says what it was at, as a transport does.
struct Asking(Arc<Mutex<Vec<Option<cut::Cut>>>>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.lock().expect("unpoisoned").push(cut::current());
        cut::report("waiting for the disk", Sent::Nothing);
    }
}

#[tokio::test]
async fn what_a_deadline_stops_hears_that_its_time_was_up_and_is_named_in_the_answer() {
    for stage in ["in the plugin", "waiting for the disk"] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&heard);
        let plugin = plugin_fn(move |_: Call<Bytes>| {
            let asking = (stage != "in the plugin").then(|| Asking(Arc::clone(&tell)));
            async move {
                let _asking = asking;
                std::future::pending().await
            }
        });
        let serving = serve(plugin, listener().await.0, ServerOptions::new()).expect("an address");
        let answer = raw(&serving, &post("", r#"{"timeout":"50ms"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains(stage), "{answer}");
        for cut in heard.lock().expect("unpoisoned").drain(..) {
            // From when it was seen waiting until the deadline, which counts from when the request came.
            let in_time = |cut: cut::Cut| !cut.ran().is_zero() && cut.ran() <= Duration::from_millis(50);
            assert!(cut.is_some_and(in_time), "{cut:?}");
        }
    }
}

#[tokio::test]
async fn the_work_stops_when_the_caller_goes_away() {
    let (begun, stopped) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (starting, stopping) = (Arc::clone(&begun), Arc::clone(&stopped));
    let plugin = plugin_fn(move |_: Call<Bytes>| {
        let (begun, stopped) = (Arc::clone(&starting), Arc::clone(&stopping));
        async move {
            let _stopped = scope(move || stopped.notify_one());
            begun.notify_one();
            std::future::pending().await
        }
    });
    let serving = serve(plugin, listener().await.0, ServerOptions::new()).expect("an address");
    let instance = connect(config(&serving));
    tokio::select! {
        _ = call(&instance, "1") => panic!("it never answers"),
        () = begun.notified() => {}
    }
    within(stopped.notified()).await;
}

fn scope(end: impl FnOnce()) -> impl Drop {
    struct Scope<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Scope<F> {
        fn drop(&mut self) {
            if let Some(end) = self.0.take() {
                end();
            }
        }
    }
    Scope(Some(end))
}

#[tokio::test]
async fn the_plugins_own_health_is_what_the_host_hears() {
    for state in [HealthState::Healthy, HealthState::Degraded, HealthState::Unhealthy, HealthState::Offline] {
        let options = ServerOptions::new().with_health(move || async move { HealthStatus::new(state, "the disk") });
        let serving = serving(options).await;
        let heard = connect(config(&serving)).check().await;
        let due = if state == HealthState::Offline { HealthState::Unhealthy } else { state };
        assert_eq!(heard.state, due);
        if state != HealthState::Healthy {
            assert_eq!(heard.message, "the disk");
        }
    }
}

#[tokio::test]
async fn a_plugin_stands_in_an_axum_router_beside_other_routes() {
    let router = axum::Router::new()
        .route("/hello", axum::routing::get(async || "hello"))
        .route_service("/plugins/echo", PluginServer::new(plugin()))
        .route_service("/plugins/echo/health", PluginServer::new(plugin()));
    let serving =
        plugin_transports::listen::serve_http(router, listener().await.0, ListenOptions::new()).expect("an address");
    let endpoint = format!("http://{}/plugins/echo", serving.local_addr());
    let instance = connect(HttpConfig::builder("echo", endpoint));
    assert_eq!(call(&instance, "[1]").await.expect("an echo").payload(), "[1]");
    assert_eq!(instance.check().await.state, HealthState::Healthy);
    assert!(raw(&serving, "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.ends_with("hello"));
}
