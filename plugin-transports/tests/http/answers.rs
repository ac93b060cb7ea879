//! What a plugin may answer, and what becomes of it.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use plugin_core::{Call, Code, HealthState, Sent};
use plugin_transports::{
    auth::AuthConfig,
    http::{HttpConfig, HttpPlugin},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Act, Scripted, answer, call, connect, connection, fault, ok, send};

#[tokio::test]
async fn a_call_goes_out_in_the_envelope_of_go_plugins_and_its_data_comes_back() {
    let plugin = Scripted::answering(ok(r#"{"data":{"sum": 3},"request_id":"r1","metadata":{"k":"v"}}"#)).await;
    let mut request = Call::new(bytes::Bytes::from_static(br#"{"a": [1, 2]}"#));
    request.context_mut().set_request_id("r1");
    request.context_mut().headers_mut().insert("x-tenant", "t1".parse().expect("a value"));
    let instance = connect(plugin.config());
    // Of the first call's time a part goes by until there is a connection.
    call(&instance, "0").await.expect("a reply");
    let reply = send(&instance, request).await.expect("a reply");
    assert_eq!((&reply.payload()[..], reply.metadata()["k"].as_str()), (&br#"{"sum": 3}"#[..], "v"));

    let seen = plugin.seen().remove(1);
    let (head, body) = seen.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, r#"{"data":{"a": [1, 2]},"request_id":"r1","timeout":"30s","headers":{"x-tenant":"t1"}}"#);
    assert!(head.starts_with("POST /run HTTP/1.1\r\n"), "{head}");
    let host = format!("host: {}", plugin.address);
    for line in [&host, "content-type: application/json", "x-request-id: r1", "x-request-timeout: 30s", "x-tenant: t1"]
    {
        assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
    }
}

#[tokio::test]
async fn the_time_that_is_left_travels_with_the_call() {
    let plugin = Scripted::answering(ok("{}")).await;
    let request = Call::new(bytes::Bytes::from_static(b"1")).with_timeout(Duration::from_secs(20));
    send(&connect(plugin.config()), request).await.expect("a reply");
    let seen = plugin.seen().remove(0);
    let told = seen.split(r#""timeout":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a timeout");
    let told = plugin_core::go_duration::parse(told).expect("a duration");
    assert!(told <= Duration::from_secs(20) && told > Duration::from_secs(5), "{told:?}");
}

#[tokio::test]
async fn an_error_in_the_envelope_is_the_plugins_own_failure() {
    let error = fault(ok(r#"{"error":"no such user","request_id":"r"}"#)).await;
    assert_eq!((error.code(), error.is_retryable()), (Code::ExecutionFailed, false));
    assert_eq!(error.to_string(), "plugin \"p\": no such user (PLUGIN_1203)");
}

/// Whoever quotes what a plugin sent cuts it first.
#[tokio::test]
async fn no_part_of_a_credential_is_left_where_a_quotation_was_cut() {
    const TOKEN: &str = "LONGTOKEN-000-001-002-003-004-005-006-007-008-009-010-011-012-013";
    let long = format!("{}{TOKEN}", "x".repeat(4_070));
    for answered in [
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {TOKEN}\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes(),
        ok(TOKEN),
        ok(&format!("{{\"error\":\"{long}\"}}")),
        ok(&format!("{{\"{TOKEN}\":1}}")),
        answer("502 Bad Gateway", "content-type: text/plain\r\n", &long),
    ] {
        let plugin = Scripted::answering(answered).await;
        let config = plugin.config().with_auth(AuthConfig::bearer(TOKEN));
        let error = call(&connect(config), "1").await.expect_err("no reply");
        let said = format!("{error} {} {:?}", error.message_for_callers(), error.detail());
        assert!(said.contains("***") && !said.contains("LONGTOKE") && !said.contains("-012-"), "{said}");
    }
}

#[tokio::test]
async fn a_credential_is_known_in_each_form_in_which_a_peer_has_it() {
    let key = "schlüssel-größe-7";
    for said in [
        key.to_owned(),
        key.bytes().map(char::from).collect(),
        "c2NobMO8c3NlbC1ncsO2w59lLTc=".to_owned(),
        "schl%C3%BCssel-gr%C3%B6%C3%9Fe-7".to_owned(),
    ] {
        let plugin = Scripted::answering(ok(&serde_json::json!({"error": format!("no {said}!")}).to_string())).await;
        let config = plugin.config().with_auth(AuthConfig::api_key(key));
        let error = call(&connect(config), "1").await.expect_err("an error");
        assert_eq!(error.message(), "no ***!", "{said}");
    }
}

#[tokio::test]
async fn each_status_says_whether_to_come_back_and_who_is_at_fault() {
    for (status, code, retryable) in [
        ("400 Bad Request", Code::InvalidPayload, false),
        ("404 Not Found", Code::HttpTransport, false),
        ("409 Conflict", Code::HttpTransport, false),
        ("413 Content Too Large", Code::PayloadTooLarge, false),
        ("422 Unprocessable Content", Code::InvalidPayload, false),
        ("500 Internal Server Error", Code::HttpTransport, false),
        ("501 Not Implemented", Code::HttpTransport, false),
        ("429 Too Many Requests", Code::RateLimited, true),
        ("502 Bad Gateway", Code::HttpTransport, true),
        ("503 Service Unavailable", Code::HttpTransport, true),
        ("504 Gateway Timeout", Code::HttpTransport, true),
    ] {
        let error = fault(answer(status, "retry-after: 7\r\ncontent-type: text/plain\r\n", "because")).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (code, retryable, Sent::Maybe), "{status}");
        assert_eq!(error.retry_after(), retryable.then_some(Duration::from_secs(7)), "{status}");
        assert!(error.message().contains(&status[..3]), "{error}");
        assert_eq!(error.detail(), Some("because"));
    }
}

#[tokio::test]
async fn the_code_in_a_problem_document_is_read_where_an_answer_can_have_it() {
    for (status, said, code, retryable) in [
        ("400 Bad Request", "PLUGIN_1206", Code::InvalidPayload, false),
        ("500 Internal Server Error", "PLUGIN_1206", Code::InvalidPayload, false),
        ("429 Too Many Requests", "RATELIMIT_1501", Code::RateLimited, true),
        ("503 Service Unavailable", "OVERLOAD_2001", Code::ConcurrencyExceeded, true),
        ("504 Gateway Timeout", "PLUGIN_1204", Code::Timeout, true),
        ("403 Forbidden", "AUTH_1107", Code::Forbidden, false),
        // What only the host can say, and what is no code.
        ("503 Service Unavailable", "CIRCUIT_1401", Code::HttpTransport, true),
        ("503 Service Unavailable", "E42", Code::HttpTransport, true),
    ] {
        let problem = format!(r#"{{"code":"{said}","retryable":{retryable},"detail":"no"}}"#);
        let error = fault(answer(status, "content-type: application/problem+json\r\n", &problem)).await;
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{status} {said}");
        assert_eq!(error.message() == "no", code != Code::HttpTransport, "{error}");
        assert_eq!(error.http_status().map(|status| status.to_string()).as_deref(), Some(&status[..3]));
    }
    // A failure is none the less one when its status says otherwise.
    for (said, code) in [("PLUGIN_1206", Code::InvalidPayload), ("E42", Code::HttpTransport)] {
        let problem = format!(r#"{{"code":"{said}","detail":"no"}}"#);
        let error =
            fault(answer("200 OK", "content-type: Application/Problem+JSON; charset=utf-8\r\n", &problem)).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (code, false, Sent::Maybe), "{error}");
    }
    let page =
        fault(answer("500 Internal Server Error", "content-type: text/html\r\n", r#"{"code":"PLUGIN_1206"}"#)).await;
    assert_eq!(page.code(), Code::HttpTransport);
}

#[tokio::test]
async fn refused_credentials_and_missing_ones_read_differently() {
    let plugin = Scripted::answering(answer("401 Unauthorized", "", "")).await;
    let with = call(&connect(plugin.config().with_auth(AuthConfig::bearer("t"))), "1").await.expect_err("401");
    assert!(with.message().contains("does not accept the credentials"), "{with}");
    let without = call(&connect(plugin.config()), "1").await.expect_err("401");
    assert!(without.message().contains("`auth` has none"), "{without}");
}

#[tokio::test]
async fn the_body_of_an_error_is_kept_in_part_and_only_as_text() {
    let problem = format!(r#"{{"title":"x","detail":"{}"}}"#, "é".repeat(10_000));
    let error =
        fault(answer("500 Internal Server Error", "content-type: application/problem+json\r\n", &problem)).await;
    let detail = error.detail().expect("text");
    assert!(problem.starts_with(detail) && detail.len() > 4000 && detail.len() <= 4096, "{}", detail.len());
    let binary = fault(answer("500 Internal Server Error", "content-type: image/png\r\n", "\u{1}\u{2}")).await;
    assert_eq!(binary.detail(), None);
}

#[tokio::test]
async fn an_answer_that_is_no_envelope_is_an_error_of_the_transport() {
    for body in ["", "<html>", "[1]", "{\"data\":", "7"] {
        let error = fault(ok(body)).await;
        assert_eq!((error.code(), error.is_retryable()), (Code::HttpTransport, false), "{body:?}");
        assert!(error.message().contains("not a JSON envelope"), "{error}");
    }
    let error = fault(answer("204 No Content", "", "")).await;
    assert_eq!(error.code(), Code::HttpTransport);
}

#[tokio::test]
async fn a_result_that_is_nested_deeper_than_the_limit_is_not_passed_on() {
    let body = |depth| format!("{{\"data\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let error = fault(ok(&body(129))).await;
    assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::PayloadTooLarge, false, Sent::Maybe));
    assert!(error.message().contains("`max_json_depth`, which is 128"), "{error}");
    let plugin = Scripted::answering(ok(&body(129))).await;
    let limits = plugin_transports::json::Limits::new().with_max_depth(129);
    let config = plugin.config().build().expect("valid").with_json_limits(limits);
    let own = HttpPlugin::connect(config).expect("a client");
    let reply = send(&own, Call::new(bytes::Bytes::from_static(b"1"))).await.expect("within it");
    assert_eq!(reply.payload().len(), 258);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_an_error_of_the_transport() {
    for garbage in ["hello\r\n\r\n", "\u{0}\u{1}\u{2}\u{3}\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n\r\n"] {
        let error = fault(garbage).await;
        assert_eq!(error.code(), Code::HttpTransport, "{garbage:?}: {error:?}");
        assert!(error.message().contains("not HTTP"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed_and_no_credential_leaves() {
    let other = Scripted::answering(ok("{}")).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: http://admin:pa55w0rd@{}/new?token=s3cret\r\n", other.address);
        let plugin = Scripted::answering(answer(status, &location, "it is at /new")).await;
        let config = plugin.config().with_auth(AuthConfig::api_key("k3y"));
        let error = call(&connect(config), "1").await.expect_err("a redirect");
        assert_eq!((error.code(), error.is_retryable()), (Code::HttpTransport, false));
        assert!(error.message().contains("/new") && error.message().contains("not followed"), "{error}");
        assert!(error.message().contains(&other.address.to_string()), "{error}");
        assert!(!error.message().contains("pa55w0rd"), "{error}");
        assert!(error.message_for_callers().contains("redirects are not followed"), "{error}");
        assert!(!error.message_for_callers().contains("/new") && error.detail_for_callers().is_none(), "{error:?}");
        assert!(!error.to_string().contains("s3cret") && plugin.seen()[0].contains("x-api-key: k3y"));
    }
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn a_connection_that_closes_is_told_with_what_was_sent() {
    let before = Scripted::start(|_, _| Act::Close(Vec::new())).await;
    let error = call(&connect(before.config()), "1").await.expect_err("no answer");
    assert_eq!((error.code(), error.sent(), error.is_retryable()), (Code::ConnectionFailed, Sent::Maybe, true));

    let middle = answer("200 OK", "", r#"{"data":"half"#);
    let middle = String::from_utf8(middle).expect("text").replace("content-length: 13", "content-length: 99");
    let plugin = Scripted::start(move |_, _| Act::Close(middle.clone().into())).await;
    let error = call(&connect(plugin.config()), "1").await.expect_err("half an answer");
    assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Maybe));
    assert!(error.message().contains("in the middle of the answer"), "{error}");
}

#[tokio::test]
async fn a_compressed_answer_is_asked_for_and_unfolded_unless_it_is_disabled() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(br#"{"data":"unfolded"}"#).expect("into memory");
    let body = encoder.finish().expect("into memory");
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    let plugin = Scripted::answering(bytes).await;
    let reply = call(&connect(plugin.config()), "1").await.expect("a reply");
    assert_eq!(reply.payload(), "\"unfolded\"");
    let disabled = connection(|config| config.with_disable_compression(true));
    call(&connect(plugin.config().with_connection(disabled)), "1").await.expect("a reply");
    let asked: Vec<_> = plugin.seen().iter().map(|request| request.contains("accept-encoding: gzip")).collect();
    assert_eq!(asked, [true, false]);

    let error = fault(answer("200 OK", "content-encoding: br\r\n", "{}")).await;
    assert!(error.message().contains("\"br\""), "{error}");
    let error = fault(answer("200 OK", "content-encoding: gzip\r\n", "{}")).await;
    assert!(error.message().contains("is gzip, and is not"), "{error}");
}

#[tokio::test]
async fn health_is_asked_where_it_should_be_and_credentials_stay_at_home() {
    let plugin = Scripted::start(|_, request| match request.split(' ').nth(1) {
        Some("/run/health") => Act::Answer(ok("anything")),
        Some("/tired") => Act::Answer(ok(r#"{"status":"degraded","message":"slow disk"}"#)),
        _ => Act::Answer(answer("503 Service Unavailable", "", r#"{"status":"unhealthy","message":"no disk"}"#)),
    })
    .await;
    let health = async |endpoint: &str| {
        let auth = AuthConfig::api_key("k3y");
        let status = connect(plugin.config().with_auth(auth).with_health_endpoint(endpoint)).check().await;
        (status.state, status.message)
    };
    assert_eq!(health("").await, (HealthState::Healthy, String::new()));
    assert_eq!(health("/tired").await, (HealthState::Degraded, "slow disk".to_owned()));
    assert_eq!(health("down").await, (HealthState::Unhealthy, "no disk".to_owned()));
    let seen = plugin.seen();
    assert!(seen.iter().all(|request| request.starts_with("GET /") && request.contains("x-api-key: k3y")), "{seen:?}");

    let other = Scripted::answering(ok("{}")).await;
    assert_eq!(health(&format!("http://{}/up", other.address)).await.0, HealthState::Healthy);
    assert!(!other.seen()[0].contains("k3y"), "{:?}", other.seen());

    let gone = crate::support::listener().await.1;
    let (state, message) = health(&format!("http://{gone}/up")).await;
    assert_eq!(state, HealthState::Unhealthy);
    assert!(message.contains("cannot be reached"), "{message}");
}

/// An answer whose length is announced as it is not.
/// The only default of a plugin over HTTP that it must do something for: it was out of service within three checks.
#[tokio::test]
async fn a_plugin_without_a_health_endpoint_is_healthy_where_nobody_has_named_one() {
    for status in ["404 Not Found", "405 Method Not Allowed", "501 Not Implemented"] {
        let plugin = Scripted::answering(answer(status, "", "no such page")).await;
        let health = connect(plugin.config()).check().await;
        let said = format!("the plugin answers, and has no health endpoint: /run/health answered {status}");
        assert_eq!((health.state, health.message), (HealthState::Healthy, said));
        let health = connect(plugin.config().with_health_endpoint("/named")).check().await;
        let said = format!("/named answered {status}, and is what `health_check.endpoint` names");
        assert_eq!((health.state, health.message), (HealthState::Unhealthy, said));
    }
    // It was there: another server has its place, or the path is broken.
    let plugin = Scripted::start(|checks, _| match checks {
        1 => Act::Answer(ok("1")),
        _ => Act::Answer(answer("404 Not Found", "", "")),
    })
    .await;
    let instance = connect(plugin.config());
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(instance.check().await.state);
    }
    assert_eq!(states, [HealthState::Healthy, HealthState::Healthy, HealthState::Unhealthy]);
}

fn announcing(length: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_flaw_ends_its_call_at_once_and_says_which() {
    let mut latin = answer("200 OK", "", r#"{"data":"caf?"}"#);
    let place = latin.len() - 3;
    latin[place] = 0xe9;
    for (bytes, says) in [
        (ok(r#"{"data":NaN}"#), "\"NaN}\""),
        (ok(r#"{"data":1,"data":2}"#), "duplicate field `data`"),
        (ok(r#"{"error":"a","error":""}"#), "duplicate field `error`"),
        (ok(r#"{"data":1,"metadata":[]}"#), "expected a map"),
        (ok(r#"{"data":1}{"data":2}"#), "trailing characters"),
        (ok(""), "it is empty"),
        (ok("<html>"), "\"<html>\""),
        (latin, "it is no UTF-8: byte 13 is 0xe9"),
        (announcing("7", r#"{"data":1}"#), "at its end"),
    ] {
        let started = tokio::time::Instant::now();
        let error = fault(bytes).await;
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::HttpTransport, false, Sent::Maybe));
        assert!(error.message().contains(says), "{error} does not say {says:?}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    for length in ["-1", "x", "1, 2", "99999999999999999999999"] {
        let error = fault(announcing(length, r#"{"data":1}"#)).await;
        assert_eq!(error.code(), Code::HttpTransport, "{length}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_all_the_same_is_an_answer() {
    for body in [
        "\u{feff}{\"data\":7}",
        r#"{"data":7,"metadata":{"took_ms":5}}"#,
        r#"{"data":7,"metadata":{"region":null}}"#,
        r#"{"data":7,"metadata":null,"request_id":5,"more":[1]}"#,
    ] {
        let plugin = Scripted::answering(ok(body)).await;
        let reply = call(&connect(plugin.config()), "1").await.expect(body);
        assert_eq!(reply.payload(), "7", "{body}");
    }
}

#[tokio::test]
async fn an_answer_of_grpc_is_told_from_one_that_a_proxy_of_grpc_has_translated() {
    let plugin =
        Scripted::answering(answer("200 OK", "content-type: application/grpc\r\ngrpc-status: 12\r\n", "")).await;
    let instance = connect(plugin.config());
    let error = call(&instance, "1").await.expect_err("it answers in gRPC");
    assert!(error.message().contains("in gRPC; is the transport that is right `grpc`"), "{error}");
    let health = instance.check().await;
    assert_eq!(health.state, HealthState::Unhealthy, "a check says the same: {health:?}");
    assert!(health.message.contains("in gRPC"), "{health:?}");
    // As Envoy's transcoder has it.
    let headers = "content-type: application/json\r\ngrpc-status: 0\r\n";
    let plugin = Scripted::answering(answer("200 OK", headers, r#"{"data":1}"#)).await;
    assert_eq!(call(&connect(plugin.config()), "1").await.expect("a reply").payload(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_ends_its_half_of_the_connection_ends_its_call_at_once() {
    // It goes on reading, so that nothing but the end of its own half can be noticed.
    for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\":"] {
        let (listening, address) = crate::support::listener().await;
        let plugin = tokio::spawn(async move {
            let (mut stream, _) = listening.accept().await.expect("a connection");
            crate::support::read_message(&mut stream).await.expect("a request");
            stream.write_all(begun.as_bytes()).await.expect("they listen");
            stream.shutdown().await.expect("they listen");
            assert_eq!(crate::support::read_message(&mut stream).await, None);
        });
        let started = tokio::time::Instant::now();
        let instance = connect(HttpConfig::builder("p", format!("http://{address}/")));
        let error = call(&instance, "1").await.expect_err("half a connection");
        assert_eq!((error.code(), error.sent()), (Code::ConnectionFailed, Sent::Maybe), "{begun:?}: {error}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        crate::support::within(plugin).await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_an_answer_reaches_no_other_call() {
    let longer = announcing("10", r#"{"data":1}HTTP/1.1 200 OK"#);
    let plugin = Scripted::start(move |number, _| match number {
        0 => Act::Answer(longer.clone()),
        _ => Act::Answer(ok(r#"{"data":2}"#)),
    })
    .await;
    let instance = connect(plugin.config());
    assert_eq!(call(&instance, "1").await.expect("the answer").payload(), "1");
    assert_eq!(call(&instance, "1").await.expect("an answer of its own").payload(), "2");
}
