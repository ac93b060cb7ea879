//! What a caller is told of what a plugin did: a plugin over HTTP that answers with raw bytes, behind a whole gateway.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const LIMIT: Duration = Duration::from_secs(20);

/// A plugin that answers every request with these bytes and closes.
async fn answering(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            // The body of each request is short, and comes with its head or behind it.
            while !head.windows(4).any(|part| part == b"\r\n\r\n")
                && stream.read_buf(&mut head).await.is_ok_and(|n| n > 0)
            {}
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut head).await;
        }
    });
    address
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// The status that a caller of this plugin gets, what `Retry-After` says, and the problem document.
async fn told(address: SocketAddr, server: &str) -> (StatusCode, Option<String>, Value) {
    let running = running(address, server, "").await;
    let told = ask(&running).await;
    running.shutdown().await;
    told
}

async fn running(address: SocketAddr, server: &str, more: &str) -> Running {
    let text = format!(
        "{{server: {{{server}}}, plugins: [{{name: a, transport: http, endpoint: 'http://{address}/', \
         health_check: {{enabled: false}}, retry: {{enabled: false}}{more}}}]}}"
    );
    let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.clone().with_server(config.server().clone().with_listen(any));
    let config = config.clone().with_admin(config.admin().clone().with_listen(any));
    Running::start(&config, &Factories::new()).await.expect("it starts")
}

async fn ask(running: &Running) -> (StatusCode, Option<String>, Value) {
    let request = Request::post(format!("http://{}/v1/plugins/a", running.gateway().data_addr()));
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from_static(b"1")));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = tokio::time::timeout(LIMIT, client.request(request.expect("a request"))).await.expect("in time");
    let response = response.expect("an answer");
    let after = response.headers().get("retry-after").map(|after| after.to_str().expect("text").to_owned());
    let status = response.status();
    let body = tokio::time::timeout(LIMIT, response.into_body().collect()).await.expect("in time").expect("whole");
    (status, after, serde_json::from_slice(&body.to_bytes()).expect("a document"))
}

#[tokio::test]
async fn what_a_plugin_answers_has_its_status_and_says_that_it_was_sent_apart_from_whether_to_try_again() {
    let envelope =
        |data: &str| answer("200 OK", "content-type: application/json\r\n", &format!("{{\"data\": {data}}}"));
    let problem = |status: &str, code: &str| {
        let body = format!(r#"{{"status": 400, "detail": "no", "code": "{code}"}}"#);
        answer(status, "content-type: application/problem+json\r\n", &body)
    };
    for (what, bytes, status, code, sent, retryable) in [
        ("its own error", answer("200 OK", "", r#"{"error": "no"}"#), 502, "PLUGIN_1203", "yes", false),
        ("a reply that is too deep", envelope(&("[".repeat(9) + &"]".repeat(9))), 502, "PLUGIN_1207", "yes", false),
        ("a reply that is too large", answer("200 OK", "", &" ".repeat(11 << 20)), 502, "PLUGIN_1207", "yes", false),
        ("a reply that cannot be read", answer("200 OK", "", "<html>"), 502, "TRANSPORT_1301", "yes", false),
        ("the payload refused", problem("400 Bad Request", "PLUGIN_1206"), 400, "PLUGIN_1206", "yes", false),
        ("its size", problem("400 Bad Request", "PLUGIN_1207"), 413, "PLUGIN_1207", "yes", false),
        ("its size, by a status", answer("413 Payload Too Large", "", ""), 413, "PLUGIN_1207", "yes", false),
        ("a problem under a success", problem("200 OK", "PLUGIN_1206"), 400, "PLUGIN_1206", "yes", false),
        ("too many", answer("429 Too Many Requests", "retry-after: 3\r\n", ""), 429, "RATELIMIT_1501", "yes", true),
        ("overloaded", answer("503 Service Unavailable", "retry-after: 3\r\n", ""), 503, "TRANSPORT_1301", "yes", true),
        ("a status of its own", answer("500 Internal Server Error", "", ""), 502, "TRANSPORT_1301", "yes", false),
        (
            "a status without a body",
            b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec(),
            502,
            "TRANSPORT_1301",
            "yes",
            false,
        ),
        ("nothing there", answer("404 Not Found", "", ""), 502, "TRANSPORT_1301", "yes", false),
        ("a connection that broke", Vec::new(), 502, "PLUGIN_1205", "maybe", true),
    ] {
        let (found, after, document) = told(answering(bytes).await, "max_json_depth: 5").await;
        let says = (&document["code"], &document["sent"], &document["retryable"]);
        assert_eq!(
            (found.as_u16(), says),
            (status, (&json!(code), &json!(sent), &json!(retryable))),
            "{what}: {document:#}"
        );
        assert_eq!(after.is_some(), matches!(status, 429 | 503), "{what}: {document:#}");
        assert!(after.is_none_or(|after| after == "3"), "{what}: {document:#}");
    }
    // Nobody there: nothing was sent.
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let (status, _, document) = told(gone, "").await;
    assert_eq!(
        (status, &document["code"], &document["sent"]),
        (StatusCode::BAD_GATEWAY, &json!("PLUGIN_1205"), &json!("no"))
    );
}

#[tokio::test]
async fn whichever_success_it_is_the_envelope_is_the_reply() {
    for status in ["200 OK", "201 Created", "202 Accepted", "203 Other", "205 Reset Content", "206 Partial Content"] {
        let plugin = answering(answer(status, "content-type: application/json\r\n", r#"{"data": 7}"#)).await;
        let (found, _, reply) = told(plugin, "").await;
        assert_eq!((found, reply), (StatusCode::OK, json!(7)), "{status}");
    }
}

#[tokio::test]
async fn no_client_opens_the_circuit_by_asking_for_what_is_not_there_and_an_operator_sees_it_all_the_same() {
    for (status, on, opens) in [
        ("404 Not Found", "", false),
        ("401 Unauthorized", "", false),
        ("451 Unavailable For Legal Reasons", "", false),
        ("308 Permanent Redirect", "", false),
        ("404 Not Found", ", on: ['4xx']", true),
        ("500 Internal Server Error", "", true),
    ] {
        let breaker = format!(", circuit_breaker: {{failure_threshold: 3, min_request_threshold: 1{on}}}");
        let running = running(answering(answer(status, "", "")).await, "", &breaker).await;
        for _ in 0..3 {
            assert_eq!(ask(&running).await.2["code"], "TRANSPORT_1301", "{status}");
        }
        let view = running.manager().get("a").expect("registered");
        assert_eq!(
            view.controls.breaker.expect("on").state().as_str(),
            if opens { "open" } else { "closed" },
            "{status} {on}"
        );
        let counted = view.telemetry.expect("on").stats().ended(plugin_telemetry::Status::Failure);
        assert_eq!(counted, 3, "{status}");
        running.shutdown().await;
    }
}
