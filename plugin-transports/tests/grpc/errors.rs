//! Errors that come through from a plugin's end to the host's, and what the statuses of other servers come to.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use plugin_core::{ByErrorType, Call, Classify, Code, PluginError, Rejected, Reply, Verdict, classify::Again};
use plugin_transports::{grpc::GrpcServerOptions, inproc::plugin_fn};

use crate::{
    peer::{Answer, fault},
    support::{call, config, connect, send, serving},
};

/// The error that a plugin answers with, as its caller has it.
async fn through(make: fn() -> PluginError) -> PluginError {
    let plugin = plugin_fn(move |_: Call<Bytes>| async move { Err::<Reply<Bytes>, _>(make()) });
    let server = serving(plugin, GrpcServerOptions::new()).await;
    call(&connect(config(server.local_addr())), "1").await.expect_err("the plugin's error")
}

#[tokio::test]
async fn an_error_of_a_plugin_comes_through_with_its_code_its_text_and_what_it_says_of_another_attempt() {
    const QUARTER: Duration = Duration::from_millis(250);
    for make in [
        || PluginError::execution("100% of the disk is full: é\n"),
        || PluginError::execution("busy").with_retryable(true).with_retry_after(QUARTER),
        || PluginError::execution("no").with_detail("line 7 of the plan"),
        || PluginError::new(Code::InvalidPayload, "it is no order"),
        || PluginError::new(Code::PayloadTooLarge, "it has too many items"),
        || PluginError::new(Code::Forbidden, "not yours"),
        || PluginError::new(Code::ConcurrencyExceeded, "full").with_retryable(false),
        || PluginError::new(Code::RateLimited, "slower").with_retryable(true).with_retry_after(QUARTER),
    ] {
        let (made, error): (PluginError, _) = (make(), through(make).await);
        assert_eq!((error.code(), error.message()), (made.code(), made.message()));
        assert_eq!((error.is_retryable(), error.retry_after()), (made.is_retryable(), made.retry_after()), "{made}");
        assert_eq!((error.detail(), error.plugin()), (made.detail(), Some("p")));
        assert_eq!(error.grpc_status(), Some(made.code().grpc_status()));
        let judged = |error: &PluginError| ByErrorType.classify(Err::<&(), _>(error));
        assert_eq!(judged(&error).verdict(), judged(&made).verdict(), "{made}");
    }
    // What is between the plugin and its own services is not between the host and it.
    let error = through(|| PluginError::connection("the database is gone", plugin_core::Sent::Nothing)).await;
    assert_eq!((error.code(), error.sent()), (Code::GrpcTransport, plugin_core::Sent::Maybe));
    assert!(error.message().contains("the database is gone") && error.is_retryable(), "{error}");
    // A refusal of the plugin's own layers says to its callers when to come back.
    let error = through(|| Rejected::rate_limited(QUARTER).into()).await;
    assert_eq!((error.code(), error.retry_after(), error.is_retryable()), (Code::RateLimited, Some(QUARTER), true));
}

#[tokio::test]
async fn a_plugin_that_panics_has_failed_and_goes_on() {
    let plugin = plugin_fn(|call: Call<Bytes>| async move {
        assert!(call.payload() != "0", "a division by zero");
        Ok(Reply::new(call.into_payload()))
    });
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let instance = connect(config(server.local_addr()));
    let error = call(&instance, "0").await.expect_err("it panicked");
    assert_eq!((error.code(), error.message()), (Code::ExecutionFailed, "the plugin panicked"));
    assert_eq!(call(&instance, "1").await.expect("a reply").payload(), "1");
}

#[tokio::test]
async fn each_status_of_another_server_has_one_meaning_and_blames_whom_the_number_blames() {
    for (number, code, retryable, verdict) in [
        ("1", Code::GrpcTransport, false, Verdict::Ignored),
        ("2", Code::ExecutionFailed, false, Verdict::Failure),
        ("3", Code::InvalidPayload, false, Verdict::Ignored),
        ("4", Code::Timeout, false, Verdict::Failure),
        ("5", Code::GrpcTransport, false, Verdict::Ignored),
        ("6", Code::GrpcTransport, false, Verdict::Ignored),
        ("7", Code::GrpcTransport, false, Verdict::Ignored),
        ("8", Code::ConcurrencyExceeded, false, Verdict::Ignored),
        ("9", Code::GrpcTransport, false, Verdict::Ignored),
        ("10", Code::GrpcTransport, false, Verdict::Ignored),
        ("11", Code::GrpcTransport, false, Verdict::Ignored),
        ("12", Code::GrpcTransport, false, Verdict::Ignored),
        ("13", Code::GrpcTransport, false, Verdict::Failure),
        ("14", Code::GrpcTransport, true, Verdict::Failure),
        ("15", Code::GrpcTransport, false, Verdict::Failure),
        ("16", Code::GrpcTransport, false, Verdict::Ignored),
        ("99", Code::GrpcTransport, false, Verdict::Failure),
    ] {
        for answer in [
            Answer::status(&[("grpc-status", number), ("grpc-message", "so it is")]),
            Answer::of(Vec::new()).with_trailers(&[("grpc-status", number), ("grpc-message", "so it is")]),
        ] {
            let error = fault(answer).await;
            assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{number}: {error}");
            assert!(error.message().contains("so it is"), "{error}");
            let judged = ByErrorType.classify(Err::<&(), _>(&error));
            assert_eq!(judged.verdict(), verdict, "{number}: {error}");
            if number == "1" {
                assert_eq!(judged.again(), Again::Never);
            }
        }
    }
    let error = fault(Answer::status(&[("grpc-status", "8"), ("grpc-retry-pushback-ms", "1500")])).await;
    assert_eq!((error.is_retryable(), error.retry_after()), (true, Some(Duration::from_millis(1500))));
    for text in ["Received message larger than max (20 vs. 10)", "Error, decoded message length too large: found 9"] {
        let error = fault(Answer::status(&[("grpc-status", "8"), ("grpc-message", text)])).await;
        assert_eq!((error.code(), error.is_of_reply()), (Code::PayloadTooLarge, false), "{text}");
    }
    let error = fault(Answer::status(&[("grpc-status", "12")])).await;
    assert!(error.message().contains("no plugin.v1.PluginService/Execute"), "{error}");
    let error = fault(Answer::status(&[("grpc-status", "16")])).await;
    assert!(error.message().contains("`auth` has none"), "{error}");
}

#[tokio::test]
async fn all_that_travels_with_a_call_reaches_the_plugin_and_its_metadata_comes_back() {
    let plugin = plugin_fn(|call: Call<Bytes>| async move {
        let context = call.context();
        let header =
            |name: &str| context.headers().and_then(|all| all.get(name)?.to_str().ok()).unwrap_or("-").to_owned();
        let said = serde_json::json!({
            "id": context.request_id().to_string(),
            "attempt": context.attempt(),
            "max_retries": context.max_retries(),
            "idempotent": context.idempotent(),
            "affinity": context.affinity().is_some(),
            "priority": context.priority(),
            "headers": [header("x-tenant"), header("x-list"), header("authorization")],
            "metadata": context.metadata(),
            "trace": context.trace().map(|trace| (trace.to_string(), trace.state().map(str::to_owned))),
            "has_deadline": context.deadline().is_some(),
        });
        let metadata = BTreeMap::from([("took".to_owned(), "5".to_owned())]);
        Ok::<_, PluginError>(Reply::new(Bytes::from(said.to_string())).with_metadata(metadata))
    });
    let server = serving(plugin, GrpcServerOptions::new()).await;
    let auth = plugin_transports::auth::AuthConfig::bearer("ours");
    let instance = connect(config(server.local_addr()).with_auth(auth));
    let mut sent = Call::new(Bytes::from_static(b"1"));
    let context = sent.context_mut();
    context.set_request_id("order-17/β");
    context.set_attempt(2);
    context.limit_retries(3);
    context.set_idempotent(false);
    context.set_affinity_key(b"user-1");
    context.set_priority(-7);
    context.metadata_mut().insert("card".into(), "\u{1f980}".into());
    for (name, value) in [("x-tenant", "t1"), ("x-list", "a"), ("x-list", "b"), ("authorization", "theirs")] {
        context.headers_mut().append(name, http::HeaderValue::from_static(value));
    }
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    context.set_trace(plugin_core::TraceContext::parse(trace).expect("a trace").with_state("a=1"));
    let reply = send(&instance, sent).await.expect("a reply");
    assert_eq!(reply.metadata()["took"], "5");
    let said: serde_json::Value = serde_json::from_slice(reply.payload()).expect("JSON");
    let expected = serde_json::json!({
        "id": "order-17/β",
        "attempt": 2,
        "max_retries": 3,
        "idempotent": false,
        "affinity": true,
        "priority": -7,
        "headers": ["t1", "a, b", "-"],
        "metadata": {"card": "\u{1f980}"},
        "trace": [trace, "a=1"],
        "has_deadline": true,
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn payloads_of_another_type_pass_as_they_are_and_json_is_looked_into() {
    const BINARY: &str = "application/octet-stream";
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    let server = serving(plugin, GrpcServerOptions::new().with_content_type(BINARY)).await;
    let binary = connect(config(server.local_addr()).with_content_type(BINARY));
    for payload in [&b"\x00\xff not JSON"[..], b""] {
        let reply = send(&binary, Call::new(Bytes::from_static(payload))).await.expect("an echo");
        assert_eq!(reply.payload(), payload);
    }
    let large = Bytes::from(vec![7; 3 << 20]);
    assert_eq!(send(&binary, Call::new(large.clone())).await.expect("an echo").payload(), &large);
    let json = connect(config(server.local_addr()));
    let error = call(&json, "NaN").await.expect_err("no JSON");
    assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, plugin_core::Sent::Nothing));
    let error = call(&json, "1").await.expect_err("another type");
    assert_eq!(error.code(), Code::InvalidPayload);
    assert!(error.message().contains("takes \"application/octet-stream\""), "{error}");
}
