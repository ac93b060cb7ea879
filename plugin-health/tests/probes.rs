//! Each probe against the real thing: sockets, processes, an axum server and a tonic server.
#![cfg(all(
    feature = "probe-tcp",
    feature = "probe-unix",
    feature = "probe-process",
    feature = "probe-http",
    feature = "probe-grpc"
))]

use std::{path::PathBuf, process::Command, time::Duration};

use axum::{Router, body::Body, http::StatusCode, routing::get};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_core::{
    HealthState::{self, Degraded, Healthy, Unhealthy},
    HealthStatus, Probe,
};
use plugin_health::{
    ask,
    probes::{self, HttpExpected},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, UnixListener},
};
use tonic_health::ServingStatus;

async fn asked(probe: &Probe) -> (HealthState, String) {
    let status = ask(probe, Duration::from_secs(20)).await;
    (status.state, status.message)
}

fn well() -> (HealthState, String) {
    (Healthy, String::new())
}

#[tokio::test]
async fn a_port_that_takes_connections_is_healthy_and_one_that_is_closed_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let probe = probes::tcp(&address);
    assert_eq!(asked(&probe).await, well());
    // It leaves nothing open behind.
    let (mut taken, _) = listener.accept().await.expect("the connection of the check");
    let end = tokio::time::timeout(Duration::from_secs(20), taken.read(&mut [0; 1])).await.expect("in time");
    assert_eq!(end.expect("an orderly end"), 0);
    drop((taken, listener));
    let (state, message) = asked(&probe).await;
    assert_eq!(state, Unhealthy);
    assert!(message.starts_with(&format!("no connection to {address}: ")), "{message}");
}

/// Answers each connection's line with what `answer` makes of it, and closes it.
fn lines(answer: impl Fn(String) -> Vec<u8> + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut line = String::new();
            if BufReader::new(&mut connection).read_line(&mut line).await.is_ok_and(|read| read > 0) {
                // Who is not listening any more hears no more.
                let _ = connection.write_all(&answer(line)).await;
            }
        }
    });
    (directory, path)
}

#[tokio::test]
async fn a_socket_that_takes_connections_is_healthy_and_one_that_nobody_listens_at_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let probe = probes::unix(&path);
    assert_eq!(asked(&probe).await.0, Unhealthy, "it is not there");
    let listener = UnixListener::bind(&path).expect("a socket");
    assert_eq!(asked(&probe).await, well());
    drop(listener);
    let (state, message) = asked(&probe).await;
    assert_eq!(state, Unhealthy, "its file is there, and nobody behind it");
    assert!(message.contains("socket: Connection refused"), "{message}");
}

#[tokio::test]
async fn the_answer_to_a_line_is_judged_and_what_is_none_is_unhealthy() {
    let judge = |answer: &[u8]| match answer {
        b"+PONG" => HealthStatus::healthy(),
        other => HealthStatus::degraded(String::from_utf8_lossy(other)),
    };
    for (answer, state, message) in [
        (&b"+PONG\r\n"[..], Healthy, ""),
        (b"+PONG\n+MORE\n", Healthy, ""),
        (b"-BUSY\n", Degraded, "-BUSY"),
        (b"+PONG", Unhealthy, "unexpected end of file"),
        (b"", Unhealthy, "unexpected end of file"),
        (&[b'x'; 200_000], Unhealthy, "has no end"),
    ] {
        let (_directory, path) = lines(move |line| {
            assert_eq!(line, "PING\n");
            answer.to_vec()
        });
        let (got, said) = asked(&probes::unix_line(path, "PING", judge)).await;
        assert_eq!(got, state, "{said}");
        assert!(said.contains(message), "{said}");
    }
}

#[tokio::test]
async fn a_plugin_in_lines_that_answers_a_ping_is_healthy() {
    for (answer, state, message) in [
        (r#"{"type":"ping","request_id":"health","success":true}"#, Healthy, ""),
        (r#"{"type":"ping","success":false,"error":"shutting down"}"#, Unhealthy, "shutting down"),
        (r#"["type","ping","success",true]"#, Unhealthy, "no JSON object"),
        ("pong", Unhealthy, "no JSON object"),
    ] {
        let (_directory, path) = lines(move |line| {
            let asked: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            assert_eq!((&asked["type"], &asked["data"]), (&"ping".into(), &serde_json::Value::Null));
            format!("{answer}\n").into_bytes()
        });
        let (got, said) = asked(&probes::unix_ping(path)).await;
        assert_eq!(got, state, "{said}");
        assert!(said.contains(message), "{said}");
    }
}

#[tokio::test]
async fn a_process_is_healthy_until_it_ends_also_where_nobody_has_waited_for_it() {
    let mut sleeper = Command::new("sleep").arg("1000").spawn().expect("it starts");
    let probe = probes::process(sleeper.id()).expect("it is there");
    assert_eq!(asked(&probe).await, well());
    sleeper.kill().expect("it runs");
    // Nobody waits for it: it is a zombie, and has its number still.
    let ended = async {
        while asked(&probe).await.0 == Healthy {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("in time");
    let number = sleeper.id();
    sleeper.wait().expect("it has ended");
    assert_eq!(asked(&probe).await, (Unhealthy, format!("the process {number} has ended")));
    assert!(probes::process(number).is_err(), "nobody has the number now");
    assert!(probes::process(0).is_err() && probes::process(u32::MAX).is_err());
}

/// A server with a path for each answer.
async fn server() -> (std::net::SocketAddr, tokio::task::AbortHandle) {
    let long = format!(r#"{{"status":"unhealthy","message":"{}"}}"#, "x".repeat(100_000));
    let app = Router::new()
        .route("/ok", get(|| async { r#"{"status":"ok"}"# }))
        .route("/text", get(|| async { "fine" }))
        .route("/degraded", get(|| async { r#"{"status":"Degraded","message":"slow disk"}"# }))
        .route("/down", get(|| async { r#"{"status":"DOWN"}"# }))
        .route("/list", get(|| async { r#"["down"]"# }))
        .route("/long", get(move || async { long }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [("location", "/ok")]) }))
        .route("/login", get(|| async { StatusCode::UNAUTHORIZED }))
        .route(
            "/busy",
            get(|| async { (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"ok","message":"warming up"}"#) }),
        )
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    (address, task.abort_handle())
}

#[tokio::test]
async fn an_http_answer_is_judged_by_its_status_and_a_body_that_is_read_adds_to_it() {
    let (address, server) = server().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let ask_for = async |path: &str, expected: HttpExpected| {
        let uri = format!("http://{address}{path}").parse().expect("a URI");
        asked(&probes::http(client.clone(), uri, expected)).await
    };
    let unhealthy = |message: &str| (Unhealthy, message.to_owned());
    for (path, by_status, with_body) in [
        ("/ok", well(), well()),
        ("/text", well(), well()),
        ("/degraded", well(), (Degraded, "slow disk".to_owned())),
        ("/down", well(), unhealthy("")),
        ("/list", well(), well()),
        ("/long", well(), well()),
        ("/moved", unhealthy("the answer was 302 Found"), unhealthy("the answer was 302 Found")),
        ("/login", unhealthy("the answer was 401 Unauthorized"), unhealthy("the answer was 401 Unauthorized")),
        ("/busy", unhealthy("the answer was 503 Service Unavailable"), unhealthy("warming up")),
        (
            "/broken",
            unhealthy("the answer was 500 Internal Server Error"),
            unhealthy("the answer was 500 Internal Server Error"),
        ),
    ] {
        assert_eq!(ask_for(path, HttpExpected::new()).await, by_status, "{path}");
        assert_eq!(ask_for(path, HttpExpected::new().with_body(true)).await, with_body, "{path}");
    }
    assert_eq!(ask_for("/login", HttpExpected::new().with_statuses(200..=401)).await, well());
    assert_eq!(ask_for("/ok", HttpExpected::new().with_statuses(204..=204)).await, unhealthy("the answer was 200 OK"));
    server.abort();
    drop(client);
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let uri = format!("http://{closed}/ok").parse().expect("a URI");
    let (state, message) = asked(&probes::http(client, uri, HttpExpected::new())).await;
    assert_eq!(state, Unhealthy);
    assert!(message.starts_with("no answer at /ok: ") && message.contains("refused"), "{message}");
}

#[tokio::test]
async fn the_standard_check_of_a_grpc_server_is_asked_for_a_service() {
    let (reporter, service) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let probe = probes::grpc(endpoint.connect_lazy(), "shop.Orders");
    assert_eq!(asked(&probe).await, (Unhealthy, "the health check does not know the service".to_owned()));
    reporter.set_service_status("shop.Orders", ServingStatus::Serving).await;
    assert_eq!(asked(&probe).await, well());
    reporter.set_service_status("shop.Orders", ServingStatus::NotServing).await;
    assert_eq!(asked(&probe).await, (Unhealthy, "the health check says NOT_SERVING".to_owned()));
    assert_eq!(asked(&probes::grpc(endpoint.connect_lazy(), "")).await, well(), "the whole server");
    server.abort();
    assert!(server.await.is_err());

    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{closed}")).expect("an address");
    let (state, message) = asked(&probes::grpc(endpoint.connect_lazy(), "")).await;
    assert_eq!(state, Unhealthy);
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn a_grpc_server_without_the_standard_check_is_unhealthy_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let routes = tonic::service::Routes::default();
    let server = tokio::spawn(tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let said = asked(&probes::grpc(endpoint.connect_lazy(), "")).await;
    assert_eq!(said, (Unhealthy, "the server has no health check (grpc.health.v1)".to_owned()));
    server.abort();
}

#[tokio::test]
async fn a_peer_that_never_answers_is_given_up_with_the_check() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let uri = format!("http://{address}/").parse().expect("a URI");
    for probe in [probes::http(client, uri, HttpExpected::new()), probes::grpc(endpoint.connect_lazy(), "")] {
        let status = ask(&probe, Duration::from_millis(100)).await;
        assert_eq!(status.state, Unhealthy);
        assert!(status.message.contains("HEALTH_1602"), "{}", status.message);
    }
}
