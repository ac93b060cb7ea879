//! One suite over every transport: each way in which a call can end is judged alike, whoever carried it.
//!
//! The plugins are a function, a server on a real socket and a real process, configured as a user would.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::post};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use plugin_breaker::CircuitState;
use plugin_core::{Call, Code, Plugin, PluginError, Reply, Sent, clock, deadline::timer};
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use plugin_telemetry::Status;
use plugin_transports::{
    ConnectionConfig,
    grpc::{self, GrpcServerOptions},
    http::{HttpConfig, HttpPlugin, HttpVersion},
    listen::{Serving, UnixSocket, UnixSocketOptions},
    unix::{self, UnixServerOptions},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const TRANSPORTS: [&str; 5] = ["in-process", "http", "subprocess", "grpc", "unix"];

/// Those whose plugin is served by this crate's own server, in this process: it neither breaks a connection nor writes what cannot
/// be read, which the conformance suite of the transports has, and it reads the same clock.
const OWN: [&str; 2] = ["grpc", "unix"];

/// What a reply is called that cannot be read.
const UNREADABLE: [Code; 5] =
    [Code::ExecTransport, Code::HttpTransport, Code::ExecTransport, Code::GrpcTransport, Code::UnixTransport];

/// What a call is called whose connection, or process, is gone.
const LOST: [Code; 5] = [
    Code::ConnectionFailed,
    Code::ConnectionFailed,
    Code::ExecTransport,
    Code::ConnectionFailed,
    Code::ConnectionFailed,
];

/// What `timeout` is; `request_timeout` has its default of 30 s. A hang is waited for in real time.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Does what its payload says.
async fn function(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let told: Value = serde_json::from_slice(call.payload()).expect("JSON");
    match told["do"].as_str().expect("a word") {
        "hang" => std::future::pending().await,
        "wait" => tokio::time::sleep(Duration::from_millis(told["ms"].as_u64().expect("a number"))).await,
        "lose" => return Err(PluginError::connection("the other side went away", Sent::Maybe)),
        "refuse" => return Err(PluginError::connection("nobody is there", Sent::Nothing)),
        "garble" => return Err(PluginError::new(UNREADABLE[0], "the reply is no JSON")),
        "fail" => return Err(PluginError::execution("as asked")),
        "blame" => return Err(PluginError::new(Code::InvalidPayload, "as asked")),
        "spare" => return Err(PluginError::new(Code::ConcurrencyExceeded, "as asked")),
        "say" => {
            let error =
                PluginError::new(Code::parse(told["code"].as_str().expect("a word")).expect("a code"), "as asked");
            let error = told["retryable"].as_bool().into_iter().fold(error, PluginError::with_retryable);
            let after = told["retry_after_ms"].as_u64().map(Duration::from_millis);
            return Err(after.into_iter().fold(error, PluginError::with_retry_after));
        }
        "run out" => {
            tokio::time::sleep(Duration::from_millis(told["ms"].as_u64().expect("a number"))).await;
            return Err(PluginError::new(Code::Timeout, "as asked"));
        }
        _ => {}
    }
    Ok(Reply::new(Bytes::from_static(b"1")))
}

const PROCESS: &str = r#"
import json, os, sys, time
if sys.argv[1:]:
    # Its next start takes longer.
    if os.path.exists(sys.argv[1]):
        time.sleep(0.6)
    open(sys.argv[1], "w").close()
CODES = {"blame": "PLUGIN_1206", "spare": "OVERLOAD_2001", "run out": "PLUGIN_1204"}
for line in sys.stdin:
    request = json.loads(line)
    id, told = request["id"], request.get("payload")
    if request["method"] != "execute":
        print(json.dumps({"id": id, "error": "unknown method"}), flush=True)
        continue
    if told["do"] == "hang":
        continue
    if told["do"] == "lose":
        os._exit(3)
    time.sleep(told.get("ms", 0) / 1000)
    if told["do"] == "garble":
        print('{"id":"%s","result":NaN}' % id, flush=True)
    elif told["do"] == "fail":
        print(json.dumps({"id": id, "error": "as asked"}), flush=True)
    elif told["do"] == "say":
        said = {key: told[key] for key in ("code", "retryable", "retry_after_ms") if key in told}
        print(json.dumps({"id": id, "error": "as asked", **said}), flush=True)
    elif told["do"] in CODES:
        print(json.dumps({"id": id, "error": "as asked", "code": CODES[told["do"]]}), flush=True)
    else:
        print(json.dumps({"id": id, "result": 1}), flush=True)
"#;

/// Serves the same over HTTP, one connection after the other request by request.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream));
    }
}

async fn converse(mut stream: TcpStream) {
    while let Some(told) = request(&mut stream).await {
        match told["do"].as_str().unwrap_or_default() {
            "hang" => std::future::pending::<()>().await,
            "lose" => return,
            _ => tokio::time::sleep(Duration::from_millis(told["ms"].as_u64().unwrap_or_default())).await,
        }
        let said = json!({"detail": "as asked", "code": told["code"], "retryable": told["retryable"],
            "retry_after_ms": told["retry_after_ms"]})
        .to_string();
        let (status, kind, body) = match told["do"].as_str() {
            Some("say") => (500, "problem+json", said.as_str()),
            Some("garble") => (200, "json", r#"{"data":NaN}"#),
            Some("fail") => (200, "json", r#"{"error":"as asked"}"#),
            Some("blame") => (400, "problem+json", r#"{"detail":"as asked","code":"PLUGIN_1206"}"#),
            Some("spare") => (503, "problem+json", r#"{"detail":"as asked","code":"OVERLOAD_2001"}"#),
            Some("run out") => (504, "problem+json", r#"{"detail":"as asked","code":"PLUGIN_1204"}"#),
            _ => (200, "json", r#"{"data":1}"#),
        };
        let status = told["status"].as_u64().unwrap_or(status);
        let head = format!("HTTP/1.1 {status} Said");
        let head = format!("{head}\r\ncontent-type: application/{kind}\r\ncontent-length");
        let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Waits as it is told and answers, over HTTP/2: it takes one call at a time on a connection, and says so.
async fn serve_one_stream(listener: TcpListener) {
    let app = Router::new().route(
        "/run",
        post(async |Json(told): Json<Value>| {
            tokio::time::sleep(Duration::from_millis(told["data"]["ms"].as_u64().unwrap_or_default())).await;
            Json(json!({"data": 1}))
        }),
    );
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http2().max_concurrent_streams(1);
            builder.serve_connection(TokioIo::new(stream), service).await
        });
    }
}

/// A client of that, on one connection. A configuration has HTTP/2 over TLS alone.
async fn over_one_stream() -> impl Plugin<Bytes, Bytes> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}/run", listener.local_addr().expect("an address"));
    tokio::spawn(serve_one_stream(listener));
    let one = ConnectionConfig::builder().with_max_connections(1).build().expect("valid settings");
    let config = HttpConfig::builder("p", endpoint).with_version(HttpVersion::Http2).with_connection(one);
    // As the gateway has it, whose layer limits an attempt.
    let config = config.without_request_timeout().build().expect("valid settings");
    let client = Arc::new(HttpPlugin::connect(config).expect("nothing to read"));
    service_fn(move |call: Call<Bytes>| client.service().clone().oneshot(call))
}

/// The payload of the next request.
async fn request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        if let (Some(end), Some(length)) = (text.find("\r\n\r\n"), length)
            && let Some(body) = bytes.get(end + 4..end + 4 + usize::min(length, 1 << 20))
        {
            return Some(serde_json::from_slice::<Value>(body).ok()?["data"].take());
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A gateway with one plugin, `p`.
async fn gateway(transport: &str, settings: &str) -> Running {
    let wire = match transport {
        "in-process" => json!({"transport": "inproc", "type": "function"}),
        "http" => {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let endpoint = format!("http://{}/run", listener.local_addr().expect("an address"));
            tokio::spawn(serve(listener));
            json!({"transport": "http", "endpoint": endpoint})
        }
        "h2" => json!({"transport": "inproc", "type": "streams"}),
        "grpc" => {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let server = grpc::serve(service_fn(function), listener, GrpcServerOptions::new()).expect("bound");
            let endpoint = server.local_addr().to_string();
            keep(server);
            json!({"transport": "grpc", "endpoint": endpoint})
        }
        "unix" => {
            static NAMES: AtomicUsize = AtomicUsize::new(0);
            let name = format!("@judgement-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
            let path = name.parse().expect("an abstract name");
            let socket = UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("a socket");
            keep(unix::serve(service_fn(function), socket, UnixServerOptions::new()).expect("bound"));
            json!({"transport": "unix", "endpoint": name})
        }
        _ => json!({"transport": "exec", "executable": "python3", "args": ["-c", PROCESS]}),
    };
    let mut plugin = wire;
    let more: Value = serde_json::from_str(settings).expect("JSON");
    let plain = json!({"name": "p", "timeout": "400ms", "health_check": {"enabled": false}});
    for (key, value) in plain.as_object().into_iter().chain(more.as_object()).flatten() {
        plugin[key] = value.clone();
    }
    let bulkhead = ServiceBuilder::new().concurrency_limit(1).service(service_fn(function));
    let factories = Factories::new().with_plugin("function", service_fn(function)).with_plugin("bulkhead", bulkhead);
    let factories = factories.with_plugin("streams", over_one_stream().await);
    for _ in 0..20 {
        let (data, admin) = (free_address().await, free_address().await);
        // A port that is free again may be given out again.
        if data == admin {
            continue;
        }
        let text = json!({"server": {"listen": data}, "admin": {"listen": admin}, "plugins": [plugin]}).to_string();
        let config = config::from_text(Path::new("gateway.json"), &text, None, &|name| std::env::var(name).ok());
        // Somebody else may have taken a port meanwhile.
        match Running::start(&config.unwrap_or_else(|faults| panic!("{faults}")), &factories).await {
            Ok(running) => return running,
            Err(error) => eprintln!("{error}"),
        }
    }
    panic!("it does not start")
}

/// Serves until the runtime ends.
fn keep<A: Send + 'static>(server: Serving<A>) {
    tokio::spawn(async move {
        let _server = server;
        std::future::pending::<()>().await;
    });
}

/// An address that was free a moment ago: a configuration names its ports.
async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

fn told(told: &Value) -> Call<Bytes> {
    Call::new(told.to_string().into())
}

async fn send(gateway: &Running, call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    tokio::time::timeout(Duration::from_secs(30), gateway.manager().execute_with("p", call)).await.expect("bounded")
}

/// What each layer made of one call.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    code: Option<Code>,
    sent: Option<Sent>,
    /// Successes, failures, and what says nothing.
    breaker: [u64; 3],
    /// Success, failure, refused, cancelled, and the caller's fault.
    telemetry: [u64; 5],
    /// Calls that were answered and that failed.
    balancer: [u64; 2],
    retries: u64,
}

async fn judged(transport: &str, what: &Value, limit: Option<Duration>) -> Judged {
    let gateway = gateway(transport, r#"{"retry": {"max_retries": 1, "initial_interval": "1ms"}}"#).await;
    // The call begins now that everything is up: its limit counts from here.
    let call = told(what);
    let outcome = send(
        &gateway,
        match limit {
            Some(limit) => call.with_timeout(limit),
            None => call,
        },
    )
    .await;
    let view = gateway.manager().get("p").expect("registered");
    let stats = view.controls.breaker.expect("on").stats();
    let counts = view.telemetry.expect("on").stats();
    let instance = view.controls.instances.expect("a balancer").stats().remove(0);
    // With its process a plugin's breaker begins anew, so what was lost counts there, or comes too late to count.
    let is_lost = transport == "subprocess" && what["do"] == "lose";
    let failures = stats.failures + if is_lost { stats.stale } else { 0 };
    let judged = Judged {
        code: outcome.as_ref().err().map(PluginError::code),
        sent: outcome.as_ref().err().map(PluginError::sent),
        breaker: [stats.successes, failures, stats.ignored + stats.cancelled],
        telemetry: Status::ALL.map(|status| counts.ended(status)),
        balancer: [instance.ok, instance.failed],
        retries: view.controls.retry.expect("on").stats().retries,
    };
    gateway.shutdown().await;
    judged
}

#[tokio::test]
async fn a_call_that_ends_is_judged_alike_on_every_transport() {
    let failed = |code, sent| Judged {
        code: Some(code),
        sent: Some(sent),
        breaker: [0, 1, 0],
        telemetry: [0, 1, 0, 0, 0],
        balancer: [0, 1],
        retries: 0,
    };
    let in_time =
        Judged { code: None, sent: None, breaker: [1, 0, 0], telemetry: [1, 0, 0, 0, 0], balancer: [1, 0], retries: 0 };
    let in_a_hurry = Judged {
        code: Some(Code::Timeout),
        sent: Some(Sent::Maybe),
        breaker: [0, 0, 1],
        telemetry: [0, 0, 0, 0, 1],
        balancer: [0, 0],
        retries: 0,
    };
    // Nothing against the plugin: its caller's fault, or a call for which it has no room.
    let spared =
        |code, telemetry| Judged { breaker: [0, 0, 1], balancer: [0, 0], telemetry, ..failed(code, Sent::Maybe) };
    let hurry = Duration::from_millis(150);
    for ((transport, unreadable), lost) in TRANSPORTS.into_iter().zip(UNREADABLE).zip(LOST) {
        for (what, limit, expected) in [
            (json!({"do": "wait", "ms": 20}), None, &in_time),
            (json!({"do": "hang"}), None, &failed(Code::Timeout, Sent::Maybe)),
            (json!({"do": "hang"}), Some(hurry), &in_a_hurry),
            (json!({"do": "lose"}), None, &failed(lost, Sent::Maybe)),
            (json!({"do": "garble"}), None, &failed(unreadable, Sent::Maybe)),
            (json!({"do": "fail"}), None, &failed(Code::ExecutionFailed, Sent::Maybe)),
            (json!({"do": "blame"}), None, &spared(Code::InvalidPayload, [0, 0, 0, 0, 1])),
            (json!({"do": "spare"}), None, &spared(Code::ConcurrencyExceeded, [0, 0, 1, 0, 0])),
            // A limit of the plugin's own, and the time that it was told, of which it may keep a margin.
            (json!({"do": "run out", "ms": 20}), None, &failed(Code::Timeout, Sent::Maybe)),
            (json!({"do": "run out", "ms": 100}), Some(hurry), &in_a_hurry),
        ] {
            if OWN.contains(&transport) && ["lose", "garble"].iter().any(|word| what["do"] == *word) {
                continue;
            }
            assert_eq!(judged(transport, &what, limit).await, *expected, "{what} over {transport}");
        }
    }
}

/// Whether a call that may be repeated is, and what its caller is told: when to come back.
#[tokio::test]
async fn another_attempt_is_made_alike_on_every_transport() {
    let say = |code: &str, retryable: Option<bool>, after: Option<&Value>| {
        let mut say = json!({"do": "say", "code": code});
        if let Some(retryable) = retryable {
            say["retryable"] = retryable.into();
        }
        if let Some(after) = after {
            say["retry_after_ms"] = after.clone();
        }
        say
    };
    let soon = json!(30);
    for transport in TRANSPORTS {
        for (what, retries, after) in [
            (json!({"do": "answer"}), 0, None),
            (json!({"do": "garble"}), 0, None),
            (json!({"do": "fail"}), 0, None),
            (json!({"do": "blame"}), 0, None),
            (json!({"do": "spare"}), 1, None),
            (say("PLUGIN_1203", Some(true), None), 1, None),
            (say("PLUGIN_1203", Some(true), Some(&soon)), 1, Some(30)),
            (say("RATELIMIT_1501", None, Some(&soon)), 0, Some(30)),
            (say("RATELIMIT_1501", Some(true), Some(&soon)), 1, Some(30)),
            (say("OVERLOAD_2001", Some(false), None), 0, None),
            (say("PLUGIN_1204", Some(true), None), 1, None),
            (say("PLUGIN_1206", Some(true), None), 1, None),
            // No time at all, as over HTTP: the code is read all the same.
            (say("OVERLOAD_2001", None, Some(&json!(-1))), 1, None),
            (say("OVERLOAD_2001", None, Some(&json!("soon"))), 1, None),
        ] {
            if OWN.contains(&transport)
                && (what["do"] == "garble" || what["retry_after_ms"] == "soon" || what["retry_after_ms"] == -1)
            {
                continue;
            }
            let retry = json!({"max_retries": 1, "initial_interval": "1ms", "idempotent": true});
            let gateway = gateway(transport, &json!({"timeout": "20s", "retry": retry}).to_string()).await;
            let outcome = send(&gateway, told(&what)).await;
            let said = outcome.as_ref().err().and_then(PluginError::retry_after);
            let view = gateway.manager().get("p").expect("registered");
            let seen = view.controls.retry.expect("on").stats().retries;
            assert_eq!((seen, said.map(|said| said.as_millis())), (retries, after), "{what} over {transport}");
            gateway.shutdown().await;
        }
    }
}

/// What the layers have counted: failures and what says nothing at the breaker, failures and refusals at telemetry, failures
/// at the balancer.
fn counted(gateway: &Running) -> [u64; 5] {
    let view = gateway.manager().get("p").expect("registered");
    let stats = view.controls.breaker.expect("on").stats();
    let counts = view.telemetry.expect("on").stats();
    let failed = view.controls.instances.expect("a balancer").stats()[0].failed;
    let told = [counts.ended(Status::Failure), counts.ended(Status::Refused)];
    [stats.failures, stats.ignored, told[0], told[1], failed]
}

#[tokio::test]
async fn a_call_that_never_left_is_known_to_be_unsent_and_evidence_only_where_it_was_tried() {
    for transport in TRANSPORTS {
        // A port that is bound, and that nobody listens on.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = socket.local_addr().expect("an address");
        let mut settings = match transport {
            "http" => json!({"endpoint": format!("http://{address}/run")}),
            "grpc" => json!({"endpoint": address.to_string()}),
            "unix" => json!({"endpoint": "/a/directory/that/is/not/there/p.sock"}),
            "subprocess" => json!({"restart": {"initial": "60s", "max": "60s"}}),
            _ => json!({}),
        };
        settings["retry"] = json!({"max_retries": 0});
        let gateway = gateway(transport, &settings.to_string()).await;
        if transport == "subprocess" {
            send(&gateway, told(&json!({"do": "lose"}))).await.expect_err("the process is gone");
        }
        let before = counted(&gateway);
        let error = send(&gateway, told(&json!({"do": "refuse"}))).await.expect_err("nobody is there");
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Nothing), "{transport}: {error}");
        let after = counted(&gateway);
        // Of a process it is known that it is down: its death was the evidence, and the call was not even tried.
        let expected = if transport == "subprocess" { [0, 1, 0, 1, 0] } else { [1, 0, 1, 0, 1] };
        let more: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(more, expected, "{transport}: {before:?}, {after:?}");
        gateway.shutdown().await;
    }
}

#[tokio::test]
async fn a_plugin_that_hangs_opens_its_breaker_on_every_transport() {
    for transport in TRANSPORTS {
        for limit in ["30s", "400ms"] {
            let connection = if transport == "in-process" { json!({}) } else { json!({"request_timeout": limit}) };
            let settings = json!({"circuit_breaker": {"failure_threshold": 3}, "connection": connection}).to_string();
            let gateway = gateway(transport, &settings).await;
            let mut codes = Vec::new();
            for _ in 0..4 {
                codes.push(send(&gateway, told(&json!({"do": "hang"}))).await.expect_err("no answer").code());
            }
            assert_eq!(codes, [Code::Timeout, Code::Timeout, Code::Timeout, Code::CircuitOpen], "{transport} {limit}");
            let view = gateway.manager().get("p").expect("registered");
            assert_eq!(view.controls.breaker.expect("on").state(), CircuitState::Open);
            assert_eq!(view.telemetry.expect("on").stats().ended(Status::Failure), 3);
            let instance = view.controls.instances.expect("a balancer").stats().remove(0);
            assert_eq!((instance.failed, instance.health_score), (3, 85));
            assert!(instance.average_latency >= TIMEOUT / 2, "{:?}", instance.average_latency);
            gateway.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_call_that_the_host_held_back_is_evidence_on_no_transport() {
    // Over gRPC calls share a connection, as those of h2 do.
    for transport in ["in-process", "http", "subprocess", "unix", "h2"] {
        // One at a time, by a limit of the service's own, of the connections or their streams, or since others were given up.
        let mut settings = match transport {
            "in-process" => json!({"type": "bulkhead"}),
            "http" | "unix" => json!({"connection": {"max_connections": 1}}),
            _ => json!({}),
        };
        settings["retry"] = json!({"enabled": false});
        let gateway = gateway(transport, &settings.to_string()).await;
        let wait = |ms: u64| told(&json!({"do": "wait", "ms": ms}));
        if transport == "subprocess" {
            let hurried = || send(&gateway, wait(150).with_timeout(Duration::from_millis(30)));
            let (first, second) = tokio::join!(hurried(), hurried());
            assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
        }
        let call = || send(&gateway, wait(250));
        let (first, second, third) = tokio::join!(call(), call(), call());
        assert_eq!(first.is_ok(), transport != "subprocess", "{transport}: {first:?}");
        for late in [second, third] {
            assert_eq!(late.expect_err("its time was up").code(), Code::Timeout, "{transport}");
        }
        let [failures, _, failed, _, of_instance] = counted(&gateway);
        assert_eq!([failures, failed, of_instance], [0; 3], "{transport}");
        // The process had them, or might have: whose time that was is known all the same. Behind a limit of the service's own
        // an attempt begins late, and that it has less time then is not told from a caller who gives less.
        if transport == "subprocess" {
            let view = gateway.manager().get("p").expect("registered");
            let callers = view.telemetry.expect("on").stats().ended(Status::Caller);
            assert_eq!(callers, 2, "those in a hurry alone");
        }
        gateway.shutdown().await;
    }
}

/// A caller that allows more than half of what is configured is in a hurry all the same, and a plugin that answers others
/// meanwhile does not hang. One that hangs for one kind of call is known by those who wait for the whole time, and one that
/// answers nobody by everybody.
#[tokio::test]
async fn a_shorter_limit_of_a_caller_is_evidence_only_where_nobody_else_is_answered_meanwhile() {
    let short = TIMEOUT / 4 * 3;
    for transport in TRANSPORTS {
        let retry_less = json!({"retry": {"enabled": false}, "circuit_breaker": {"failure_threshold": 50}});
        let gateway = gateway(transport, &retry_less.to_string()).await;
        let hang = |what: &Value, limit: Option<Duration>| {
            let call = told(what);
            send(&gateway, limit.into_iter().fold(call, Call::with_timeout))
        };
        let others = async || {
            tokio::time::sleep(TIMEOUT / 4).await;
            send(&gateway, told(&json!({"do": "answer"}))).await.expect("an answer");
        };
        let hangs = json!({"do": "hang"});
        // It says so itself, at the end of the time that it was told.
        let runs_out = json!({"do": "run out", "ms": short.as_millis() as u64});
        let mut expected = 0;
        for (what, limit, beside_others, is_evidence) in [
            (&hangs, Some(short), true, false),
            (&runs_out, Some(short), true, false),
            (&hangs, None, true, true),
            (&hangs, Some(short), false, true),
            (&runs_out, Some(short), false, true),
        ] {
            // The process waits itself, and so would take one after the other.
            if transport == "subprocess" && what == &runs_out {
                continue;
            }
            let cut = async || tokio::join!(hang(what, limit), hang(what, limit));
            let (first, second) = match beside_others {
                true => tokio::join!(cut(), others()).0,
                false => cut().await,
            };
            for outcome in [first, second] {
                assert_eq!(outcome.expect_err("its time was up").code(), Code::Timeout, "{what} over {transport}");
            }
            expected += if is_evidence { 2 } else { 0 };
            let [failures, _, failed, _, of_instance] = counted(&gateway);
            assert_eq!([failures, failed, of_instance], [expected; 3], "{what} under {limit:?} over {transport}");
        }
        gateway.shutdown().await;
    }
}

/// What a call waits for on this side is not the plugin's time where it is answered, either: a limit of the service's own or of
/// the connections, or a process that is being started.
#[tokio::test]
async fn a_call_that_was_held_back_and_is_answered_is_slow_on_no_transport() {
    let directory = tempfile::tempdir().expect("a directory");
    let mark = directory.path().join("started");
    let over = Duration::from_millis(500);
    for transport in ["in-process", "http", "subprocess", "unix"] {
        let slow = json!({"over": "500ms", "ratio": 0.1, "min_calls": 1, "window": "20s"});
        let mut settings = match transport {
            "in-process" => json!({"type": "bulkhead"}),
            "http" | "unix" => json!({"connection": {"max_connections": 1}}),
            _ => json!({"args": ["-c", PROCESS, mark], "restart": {"initial": "10ms"}}),
        };
        settings["timeout"] = json!("20s");
        settings["circuit_breaker"] = json!({"slow": slow, "failure_threshold": 50});
        let gateway = gateway(transport, &settings.to_string()).await;
        let took = if transport == "subprocess" {
            send(&gateway, told(&json!({"do": "lose"}))).await.expect_err("the process is gone");
            0
        } else {
            160
        };
        let began = clock::now();
        let call = || send(&gateway, told(&json!({"do": "wait", "ms": took})));
        let all = tokio::join!(call(), call(), call(), call());
        assert!(began.elapsed() > over, "the last of them waited for longer than is slow");
        for outcome in [all.0, all.1, all.2, all.3] {
            outcome.unwrap_or_else(|error| panic!("{transport}: {error}"));
        }
        let view = gateway.manager().get("p").expect("registered");
        let breaker = view.controls.breaker.expect("on");
        assert_eq!(breaker.state(), CircuitState::Closed, "{transport}: {:?}", breaker.stats());
        let instance = view.controls.instances.expect("a balancer").stats().remove(0);
        assert!(instance.average_latency < over / 5 * 3, "{transport}: {:?}", instance.average_latency);
        gateway.shutdown().await;
    }
}

#[tokio::test]
async fn a_plugin_over_http_that_could_not_be_reached_is_called_as_soon_as_it_can_be() {
    // Bound, so that nobody else has it, and refused as long as nobody listens.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let endpoint = format!("http://{}/run", socket.local_addr().expect("an address"));
    let gateway = gateway("http", &json!({"endpoint": endpoint, "timeout": "30s"}).to_string()).await;
    let breaker = gateway.manager().get("p").expect("registered").controls.breaker.expect("on");
    for _ in 0..10 {
        let error = send(&gateway, told(&json!({"do": "answer"}))).await.expect_err("nobody is there");
        assert_eq!(error.sent(), Sent::Nothing, "{error}");
    }
    assert_eq!(breaker.state(), CircuitState::Open);
    tokio::spawn(serve(socket.listen(16).expect("a listener")));
    let again = async {
        while let Err(error) = send(&gateway, told(&json!({"do": "answer"}))).await {
            assert_eq!(error.code(), Code::CircuitOpen, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Its open time is 30 s.
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("it can be reached");
    gateway.shutdown().await;
}

/// Calls after which the balancer takes the time of one in thirty-two only.
const WARM: usize = 64;

#[tokio::test]
async fn a_waiting_call_arms_one_timer_on_every_transport() {
    for transport in TRANSPORTS.into_iter().filter(|transport| !OWN.contains(transport)) {
        let gateway = gateway(transport, "{}").await;
        for _ in 0..=WARM {
            send(&gateway, told(&json!({"do": "answer"}))).await.expect("an answer");
        }
        let (armed, read) = (timer::armed(), clock::readings());
        let calls = 10;
        for _ in 0..calls {
            send(&gateway, told(&json!({"do": "wait", "ms": 5}))).await.expect("an answer");
        }
        assert_eq!(timer::armed() - armed, calls, "{transport}");
        // When it came, when an instance had it (it may have been held before, which is not the instance's doing), and
        // when it had ended. The timer, the header that tells the plugin its time, the retry's budget, the connection that
        // is idle again and telemetry read no clock of their own. Of one answer in 128 a process looks how long it took,
        // which is none of these.
        assert_eq!(clock::readings() - read, 3 * calls, "{transport}");
        gateway.shutdown().await;
    }
}

#[tokio::test]
async fn the_lists_on_may_name_the_status_that_a_plugin_over_http_answers_with() {
    let answers = |status: u16| told(&json!({"do": "answer", "status": status}));
    for (named, status, opens) in
        [("5xx", 503, true), ("503", 503, true), ("502", 503, false), ("TRANSPORT", 503, true)]
    {
        let breaker = json!({"failure_threshold": 1, "min_request_threshold": 0, "on": [named]});
        let settings = json!({"retry": {"enabled": false}, "circuit_breaker": breaker}).to_string();
        let gateway = gateway("http", &settings).await;
        send(&gateway, answers(status)).await.expect_err("no success");
        let next = send(&gateway, answers(status)).await.expect_err("no success").code();
        assert_eq!(next == Code::CircuitOpen, opens, "{named}: {next}");
        gateway.shutdown().await;
    }
    for (named, retries) in [("404", 1), ("4xx", 1), ("TRANSPORT_1301", 1), ("410", 0)] {
        let retry = json!({"max_retries": 1, "initial_interval": "1ms", "idempotent": true, "on": [named]});
        let gateway = gateway("http", &json!({"retry": retry}).to_string()).await;
        send(&gateway, answers(404)).await.expect_err("no success");
        let view = gateway.manager().get("p").expect("registered");
        let seen = view.controls.retry.expect("on").stats().retries;
        assert_eq!(seen, retries, "{named}");
        gateway.shutdown().await;
    }
}

/// One owner of the limit of an attempt, whatever carries it: what the handle says holds, and is what the plugin is told.
#[tokio::test]
async fn a_limit_of_an_attempt_that_is_changed_live_holds_on_every_transport() {
    for transport in TRANSPORTS {
        let connection = if transport == "in-process" { json!({}) } else { json!({"request_timeout": "150ms"}) };
        let settings = json!({"timeout": "20s", "retry": {"enabled": false}, "connection": connection});
        let gateway = gateway(transport, &settings.to_string()).await;
        let view = gateway.manager().get("p").expect("registered");
        let limit = view.controls.attempt_timeout.expect("a limit");
        let slow = || told(&json!({"do": "wait", "ms": 400}));
        if transport != "in-process" {
            assert_eq!(limit.config(), Some(Duration::from_millis(150)));
            assert_eq!(send(&gateway, slow()).await.expect_err("too slow").code(), Code::Timeout, "{transport}");
        }
        for longer in [Some(Duration::from_secs(15)), None] {
            limit.reconfigure(longer);
            send(&gateway, slow()).await.unwrap_or_else(|error| panic!("{transport} under {longer:?}: {error}"));
            // Past the limit that was, and long before the one that is: the plugin gave up by itself.
            let error = send(&gateway, told(&json!({"do": "run out", "ms": 300}))).await.expect_err("as asked");
            let seen = (error.code(), error.rejected());
            assert_eq!(seen, (Code::Timeout, None), "{transport} under {longer:?}");
        }
        limit.reconfigure(Some(Duration::from_millis(150)));
        assert_eq!(send(&gateway, slow()).await.expect_err("too slow").code(), Code::Timeout, "{transport}");
        gateway.shutdown().await;
    }
}
