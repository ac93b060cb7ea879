//! Calls to a plugin's process: many at once, and none that suffers for another.

#[cfg(feature = "http")]
#[path = "../fixture/blunt.rs"]
mod blunt;
mod support;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use plugin_core::{ByErrorType, Call, Classify, Code, CodeKind, HealthState, PluginError, Sent, TraceContext, Verdict};
use plugin_transports::process::{ProcessConfig, connect};
use serde_json::{Value, json};
use support::{call, call_with, fixture, start, start_error, within};
use tower::ServiceExt;

#[tokio::test]
async fn what_travels_with_a_call_reaches_the_plugin_and_comes_back() {
    let instance = start(fixture(&["obliging"])).await;
    let trace = TraceContext::new(5, 6, 1).expect("ids");
    let mut call =
        Call::new(Bytes::from_static(b"{\n  \"tell\": \"context\"\n}\n")).with_timeout(Duration::from_secs(20));
    call.context_mut().set_request_id("order-17");
    call.context_mut().limit_retries(3);
    call.context_mut().set_trace(trace.clone());
    call.context_mut().headers_mut().insert("x-tenant", "a".parse().expect("a value"));
    call.context_mut().metadata_mut().insert("k".into(), "v".into());
    let reply = within(instance.service().clone().oneshot(call)).await.expect("a reply");
    assert_eq!(reply.metadata().get("k").map(String::as_str), Some("v"));
    let told: Value = serde_json::from_slice(reply.payload()).expect("JSON");
    assert_eq!(told["request_id"], "order-17");
    assert_eq!(told["max_retries"], 0, "the host retries, the plugin does not");
    assert_eq!(told["headers"], json!({"traceparent": trace.to_string(), "x-tenant": "a"}));
    assert_eq!(told["metadata"], json!({"k": "v"}));
    let left = told["left_ms"].as_u64().expect("a deadline");
    assert!((1..=20_000).contains(&left), "{left}");
}

#[tokio::test]
async fn an_error_of_the_plugin_is_its_own_and_not_retried() {
    let instance = start(fixture(&["obliging"])).await;
    let error = call(instance.service(), &json!({"fail": "no such user"})).await.expect_err("it fails");
    assert_eq!((error.code(), error.is_retryable(), error.plugin()), (Code::ExecutionFailed, false, Some("fixture")));
    assert!(error.message().contains("no such user"), "{error}");
    let panic = call(instance.service(), &json!({"panic": "oh no"})).await.expect_err("it panics");
    assert!(panic.message().contains("the plugin panicked: oh no"), "{panic}");
    assert_eq!(call(instance.service(), &json!(1)).await.expect("it lives on"), 1);
    assert_eq!(instance.service().handle().stats().restarts, 0);
}

/// The same Rust plugin, called without any transport, as a process and over HTTP.
#[cfg(feature = "http")]
#[tokio::test]
async fn what_a_plugin_says_of_another_attempt_is_the_same_however_it_is_carried() {
    use plugin_transports::http::{HttpConfig, HttpPlugin, ServerOptions, serve};
    let service = plugin_transports::inproc::plugin_fn(blunt::blunt);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let serving = serve(service, listener, ServerOptions::new()).expect("it serves");
    let config = HttpConfig::builder("fixture", format!("http://{}/", serving.local_addr()));
    let http = HttpPlugin::connect(config.build().expect("in bounds")).expect("a client");
    let lines = start(fixture(&["blunt"])).await;
    let said = |error: PluginError| (error.code(), error.is_retryable(), error.retry_after());
    for told in [
        json!({}),
        json!({"retryable": true}),
        json!({"retryable": true, "after_ms": 1500}),
        json!({"after_ms": 70}),
        json!({"code": "OVERLOAD_2001"}),
        json!({"code": "OVERLOAD_2001", "retryable": false}),
        json!({"code": "RATELIMIT_1501", "after_ms": 5000}),
        json!({"code": "RATELIMIT_1501", "retryable": true, "after_ms": 5000}),
        json!({"code": "PLUGIN_1204"}),
        json!({"code": "PLUGIN_1204", "retryable": true}),
        json!({"code": "PLUGIN_1206", "retryable": true}),
        json!({"by": "a layer", "code": "RATELIMIT_1501", "after_ms": 5000}),
        json!({"by": "a layer", "code": "RATELIMIT_1501"}),
        json!({"by": "a layer", "code": "OVERLOAD_2001"}),
    ] {
        let call = || Call::new(Bytes::from(told.to_string()));
        let over_lines = said(within(lines.service().clone().oneshot(call())).await.expect_err("as told"));
        let over_http = said(within(http.service().clone().oneshot(call())).await.expect_err("as told"));
        assert_eq!(over_lines, over_http, "{told}");
        let (code, mut retryable, after) = said(service.oneshot(call()).await.expect_err("as told"));
        // Who called from outside is told whether to come back; a layer between the two, whether it may ask again now.
        retryable |= told["by"] == "a layer" && after.is_some();
        assert_eq!(over_lines, (code, retryable, after), "{told}");
    }
}

/// The payload of one caller opens no breaker for all.
#[tokio::test]
async fn a_payload_that_the_plugin_refuses_is_the_callers_fault() {
    let instance = start(fixture(&["obliging"])).await;
    let error = call(instance.service(), &json!({"refuse": "no name"})).await.expect_err("refused");
    assert_eq!((error.code(), error.message(), error.sent()), (Code::InvalidPayload, "no name", Sent::Maybe));
    let verdict = Classify::<(), _>::classify(&ByErrorType, Err(&error)).verdict();
    assert_eq!(verdict, Verdict::Ignored, "it is no evidence");
    let by_hand = start(fixture(&["says"])).await;
    let line = "{\"id\":\"ID\",\"error\":\"no name\",\"code\":\"PLUGIN_1206\"}";
    let error = call(by_hand.service(), json!(line)).await.expect_err("refused");
    assert_eq!((error.code(), error.message()), (Code::InvalidPayload, "no name"));
}

#[tokio::test]
async fn a_payload_that_cannot_be_sent_is_refused_before_it_is() {
    let instance = start(fixture(&["obliging"]).with_max_line(2048)).await;
    let send = |payload: Vec<u8>| within(instance.service().clone().oneshot(Call::new(Bytes::from(payload))));
    for bad in [&b"hello"[..], b"", b"{\"a\":1}{}", b"\"\xff\"", b"1,\"context\":{}"] {
        let error = send(bad.to_vec()).await.expect_err("no JSON");
        assert_eq!(
            (error.code(), error.kind(), error.sent()),
            (Code::InvalidPayload, CodeKind::Payload, Sent::Nothing)
        );
    }
    let error = send(format!("\"{}\"", "x".repeat(3000)).into_bytes()).await.expect_err("too long");
    assert_eq!((error.code(), error.sent()), (Code::PayloadTooLarge, Sent::Nothing));
    assert!(error.message().contains("3002 bytes") && error.message().contains("2048"), "{error}");
    // The payload alone would fit.
    let error = send(format!("\"{}\"", "x".repeat(2000)).into_bytes()).await.expect_err("too long");
    assert_eq!((error.code(), error.sent()), (Code::PayloadTooLarge, Sent::Nothing));
    send(format!("\"{}\"", "x".repeat(1800)).into_bytes()).await.expect("it fits");
}

#[tokio::test]
async fn a_request_may_be_as_long_as_a_line_and_not_a_byte_longer() {
    const LINE: usize = 2048;
    let instance = start(fixture(&["obliging"]).with_max_line(LINE)).await;
    let send = async |payload: usize| {
        let mut call = Call::new(Bytes::from(format!("\"{}\"", "x".repeat(payload - 2))));
        call.context_mut().set_request_id("always of one length");
        within(instance.service().clone().oneshot(call)).await.map_err(|error| error.message().to_owned())
    };
    let bytes = |length: usize| Some(format!("the request has {length} bytes, and a line may have {LINE}"));
    let whole = send(LINE).await.expect_err("the payload alone fits");
    let length: usize = whole.split(' ').find_map(|word| word.parse().ok()).expect("a number");
    let around = length - LINE;
    assert!(around > 0, "{whole}");
    assert_eq!(send(LINE + 1 - around).await.err(), bytes(LINE + 1));
    assert_eq!(send(LINE - around).await.err(), None);
}

#[tokio::test]
async fn a_plugin_is_told_the_least_of_what_limits_its_call_and_at_most_a_year() {
    let told = async |limit: Duration, given: Option<Duration>| {
        let instance = start(fixture(&["obliging"]).with_request_timeout(limit)).await;
        let within = |call: Call<Bytes>| given.into_iter().fold(call, Call::with_timeout);
        let context = call_with(instance.service(), json!({"tell": "context"}), within).await.expect("a context");
        Duration::from_millis(context["left_ms"].as_u64().expect("a limit"))
    };
    let (second, year) = (Duration::from_secs(1), Duration::from_secs(365 * 86_400));
    let about = |told: Duration, most: Duration| assert!(most / 2 < told && told <= most, "{told:?} of {most:?}");
    about(told(30 * second, Some(600 * second)).await, 30 * second);
    about(told(600 * second, Some(30 * second)).await, 30 * second);
    about(told(Duration::from_nanos(i64::MAX as u64), None).await, year);
}

#[tokio::test]
async fn where_a_layer_outside_keeps_the_limit_a_call_whose_time_is_up_is_not_sent() {
    let instance = start(fixture(&["says"]).without_request_timeout()).await;
    let late = |call: Call<Bytes>| call.with_timeout(Duration::ZERO);
    let error = call_with(instance.service(), json!("{\"id\":\"ID\",\"result\":1}"), late).await.expect_err("too late");
    assert_eq!((error.code(), error.sent(), error.plugin()), (Code::Timeout, Sent::Nothing, Some("fixture")));
    assert_eq!(error.rejected().and_then(|refusal| refusal.stage()), Some("before it was sent"));
    // What the plugin says of the time of a caller in a hurry says nothing of the plugin, and with time left it does.
    let up = "{\"id\":\"ID\",\"error\":\"no time\",\"code\":\"PLUGIN_1204\"}";
    for (seconds, is_refusal) in [(2, true), (25, false)] {
        let given = |call: Call<Bytes>| call.with_timeout(Duration::from_secs(seconds));
        let error = call_with(instance.service(), json!(up), given).await.expect_err("it says so");
        assert_eq!((error.code(), error.rejected().is_some()), (Code::Timeout, is_refusal), "{seconds}: {error:?}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_or_at_the_transports_own_limit() {
    let instance = start(fixture(&["mute"]).with_request_timeout(Duration::from_millis(100))).await;
    let own = call(instance.service(), &json!(1)).await.expect_err("no answer");
    assert_eq!((own.code(), own.is_retryable(), own.sent()), (Code::Timeout, true, Sent::Maybe));
    let short = |call: Call<Bytes>| call.with_timeout(Duration::from_millis(50));
    let deadline = call_with(instance.service(), &json!(1), short).await.expect_err("no answer");
    assert_eq!((deadline.code(), deadline.is_retryable(), deadline.sent()), (Code::Timeout, false, Sent::Maybe));
    assert!(deadline.message().contains("50ms") && deadline.message().contains("on the plugin"), "{deadline}");
    let past = |call: Call<Bytes>| call.with_timeout(Duration::ZERO);
    let late = call_with(instance.service(), &json!(1), past).await.expect_err("too late");
    assert_eq!((late.code(), late.sent()), (Code::Timeout, Sent::Nothing));
    assert_eq!(instance.service().handle().stats().in_flight, 0);
}

#[tokio::test]
async fn a_plugin_that_does_not_read_fills_its_queue_and_harms_nobody_else() {
    let instance =
        start(fixture(&["deaf"]).with_max_queued_bytes(256 << 10).with_request_timeout(Duration::from_millis(500)))
            .await;
    let payload = json!("x".repeat(60_000));
    let outcomes = join_all((0..20).map(|_| call(instance.service(), &payload))).await;
    let errors: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect_err("nobody reads")).collect();
    let full = errors.iter().filter(|error| error.code() == Code::QueueFull).count();
    assert!(
        full > 0 && errors.iter().all(|error| matches!(error.code(), Code::QueueFull | Code::Timeout)),
        "{errors:?}"
    );
    assert!(errors.iter().any(|error| error.code() == Code::Timeout && error.sent() == Sent::Nothing));
    assert_eq!(instance.service().handle().stats().in_flight, 0);
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let instance =
        start(fixture(&["mute"]).with_max_in_flight(2).with_request_timeout(Duration::from_millis(200))).await;
    let outcomes = join_all((0..3).map(|n| call(instance.service(), json!(n)))).await;
    let codes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect_err("no answer").code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Code::ConcurrencyExceeded).count(), 1, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_that_time_out_or_are_dropped_never_delay_or_answer_another() {
    let instance = start(fixture(&["obliging"])).await;
    let service = instance.service().clone();
    let tasks = (0..1000_u64).map(|n| {
        let service = service.clone();
        tokio::spawn(async move {
            match n % 4 {
                // Dropped while the plugin works on it.
                0 => {
                    let call = call(&service, json!({"sleep": 200, "n": n}));
                    let _ = tokio::time::timeout(Duration::from_millis(n % 20), call).await;
                }
                // Ended by its own deadline.
                1 => {
                    let limit = |call: Call<Bytes>| call.with_timeout(Duration::from_millis(1 + n % 20));
                    let error = call_with(&service, &json!({"sleep": 200, "n": n}), limit).await.expect_err("too slow");
                    assert_eq!(error.code(), Code::Timeout, "{error}");
                }
                // Slow, and kept.
                2 => {
                    let payload = json!({"sleep": n % 50, "n": n});
                    assert_eq!(call(&service, &payload).await.expect("its own reply"), payload);
                }
                _ => {
                    for round in 0..5 {
                        let payload = json!({"n": n, "round": round});
                        assert_eq!(call(&service, &payload).await.expect("its own reply"), payload);
                    }
                }
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("no call got another's reply");
    }
    let stats = service.handle().stats();
    assert_eq!((stats.in_flight, stats.noise_lines, stats.restarts), (0, 0, 0));
    // Every other kind of reply has come by now; the late ones were all dropped.
    let slow = json!({"sleep": 300});
    assert_eq!(call(&service, &slow).await.expect("it still serves"), slow);
    assert!(service.handle().stats().late_replies > 0);
}

#[tokio::test]
async fn large_payloads_pass_in_both_directions_beside_small_ones() {
    let instance = start(fixture(&["obliging"])).await;
    let large = json!({"text": "x".repeat(3 << 20)});
    let calls = join_all((0..8).map(|n| {
        let (large, service) = (large.clone(), instance.service().clone());
        async move {
            let payload = if n % 2 == 0 { large } else { json!(n) };
            assert_eq!(call(&service, &payload).await.expect("an echo"), payload);
        }
    }));
    calls.await;
}

#[tokio::test]
async fn a_reply_that_is_too_long_fails_its_own_call_alone() {
    let instance = start(fixture(&["huge-reply"]).with_max_line(64 << 10)).await;
    let error = call(instance.service(), &json!(200_000)).await.expect_err("too long");
    assert_eq!((error.code(), error.is_retryable()), (Code::PayloadTooLarge, false));
    assert_eq!(call(instance.service(), &json!(3)).await.expect("short"), "xxx");
    assert_eq!(instance.service().handle().stats().restarts, 0);
}

/// Each of these was a timeout at the end of thirty seconds.
#[tokio::test]
async fn a_reply_that_cannot_be_read_ends_its_call_at_once_with_the_reason() {
    let instance = start(fixture(&["says"])).await;
    let start = plugin_core::clock::now();
    for (line, why) in [
        ("{\"id\":\"ID\",\"result\":NaN}", "expected value at byte"),
        ("{\"id\":\"ID\",\"result\":Infinity}", "Infinity"),
        ("{\"id\":\"ID\",\"result\":1,\"result\":2}", "duplicate field `result`"),
        ("{\"id\":\"ID\",\"result\":\"caf\u{e9}\"}", "no UTF-8: byte 39 is 0xe9"),
        ("{\"id\":\"ID\",\"result\":\"a\tb\"}", "control character"),
        ("{\"id\":NUMBER,\"result\":1}", "expected a string"),
        ("{\"id\":\"ID\",\"result\":1}}", "trailing characters"),
        ("{\"id\":\"ID\",\"result\":1", "at its end"),
        ("{'id': 'ID', 'result': None}", "key must be a string"),
        ("done {\"id\":\"ID\",\"result\":1}", "\"done {"),
    ] {
        let error = call(instance.service(), json!(line)).await.expect_err(line);
        assert_eq!((error.code(), error.is_retryable(), error.sent()), (Code::ExecTransport, false, Sent::Maybe));
        assert!(error.message().starts_with("the plugin's reply cannot be read: it is no "), "{error}");
        assert!(error.message().contains(why), "{line}: {error}");
        let verdict = Classify::<(), _>::classify(&ByErrorType, Err(&error)).verdict();
        assert_eq!(verdict, Verdict::Failure, "it is evidence");
    }
    let long = call(instance.service(), json!("{\"result\":\"FILLER\",\"id\":\"ID\"}")).await.expect_err("too long");
    assert_eq!(long.code(), Code::PayloadTooLarge, "{long}");
    for fine in [
        "\u{ef}\u{bb}\u{bf}{\"id\":\"ID\",\"result\":1}",
        "{\"id\":\"ID\",\"result\":1}\r",
        "{\"id\":\"ID\",\"result\":1,\"metadata\":{\"took_ms\":5,\"region\":null,\"tags\":[1]}}",
    ] {
        assert_eq!(call(instance.service(), json!(fine)).await.expect(fine), 1);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let stats = instance.service().handle().stats();
    assert_eq!((stats.noise_lines, stats.restarts, stats.in_flight), (0, 0, 0));
}

#[tokio::test]
async fn a_log_line_that_names_its_call_does_not_end_it() {
    let instance = start(fixture(&["says"])).await;
    for log in [
        "handling {\"id\":\"ID\",\"size\":123}",
        "handling {\"id\":\"ID\",\"text\":\"FILLER\"}",
        "{\"level\":\"info\",\"id\":\"ID\"}",
        "{\"id\":\"ID\",\"msg\":\"begins\",\"text\":\"FILLER\"}",
    ] {
        let lines = format!("{log}\n{{\"id\":\"ID\",\"result\":1}}");
        assert_eq!(call(instance.service(), json!(lines)).await.expect(log), 1);
    }
    assert_eq!(instance.service().handle().stats().noise_lines, 4);
}

#[tokio::test]
async fn a_hello_an_init_and_a_check_that_cannot_be_read_say_so_at_once() {
    for method in ["info", "init"] {
        let error = start_error(fixture(&["says", method])).await;
        let text = format!("the reply to `{method}` cannot be read: it is no JSON reply");
        assert!(error.message().contains(&text), "{error}");
    }
    let sick = start(fixture(&["says", "health"])).await;
    let status = within(sick.check()).await;
    assert_eq!(status.state, plugin_core::HealthState::Unhealthy);
    assert!(status.message.contains("cannot be read"), "{status:?}");
}

#[tokio::test]
async fn what_a_plugin_prints_does_not_break_the_protocol() {
    let instance = start(fixture(&["obliging"])).await;
    let payload = json!({"print": "hello from a forgotten println", "log": "and from a log"});
    assert_eq!(call(instance.service(), &payload).await.expect("an echo"), payload);
    assert_eq!(instance.service().handle().stats().noise_lines, 0);

    // A plugin of another make may print to stdout all the same, in moderation.
    let noisy = start(fixture(&["garbage", "3"])).await;
    for n in 0..20 {
        assert_eq!(call(noisy.service(), &json!(n)).await.expect("an echo"), n);
    }
    assert_eq!(noisy.service().handle().stats().noise_lines, 60);
}

/// That calls wait is no news of the plugin's health.
#[tokio::test]
async fn a_plugin_that_is_full_of_calls_is_well() {
    // More than it works on at once, and as many as may be in flight.
    let instance = start(fixture(&["obliging"]).with_max_in_flight(100)).await;
    let slow = json!({"sleep": 60_000});
    let calls: Vec<_> = (0..100).map(|_| Box::pin(call(instance.service(), &slow))).collect();
    let mut calls = join_all(calls);
    assert!((&mut calls).now_or_never().is_none());
    assert_eq!(instance.service().handle().stats().in_flight, 100);
    let refused = call(instance.service(), &slow).await.expect_err("full").code();
    assert_eq!(refused, Code::ConcurrencyExceeded);
    let status = tokio::time::timeout(Duration::from_secs(20), instance.check()).await.expect("it is not read");
    assert_eq!((status.state, status.message.as_str()), (HealthState::Degraded, "slow disk"), "as it says itself");
}

/// Its checks stand behind calls. They used to take it offline while it answered every one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_behind_calls_that_are_answered_is_no_failure() {
    let serial = "
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    result = {'methods': ['health'], 'status': 'degraded', 'message': 'slow disk'}
    if request['method'] == 'execute':
        open(sys.argv[1], 'a').write('.')
        time.sleep(request['payload'])
        result = None
    print(json.dumps({'id': request['id'], 'result': result}), flush=True)
";
    let dir = tempfile::tempdir().expect("a directory");
    let begun = dir.path().join("begun");
    let calls = || std::fs::read(&begun).map_or(0, |dots| dots.len());
    // As its checks are given a second each.
    let limit = Duration::from_secs(1);
    let config = ProcessConfig::builder("serial", "python3").with_args(["-c", serial]).with_arg(&begun);
    let config = config.build().expect("in bounds").with_check_limit(limit);
    let instance = within(connect(config)).await.expect("it starts");
    let check = || tokio::time::timeout(limit, instance.check());
    let load: Vec<_> = (0..16)
        .map(|_| {
            let service = instance.service().clone();
            tokio::spawn(async move { call(&service, json!(0.1)).await })
        })
        .collect();
    within(async {
        while instance.service().handle().stats().in_flight < 16 {
            tokio::task::yield_now().await;
        }
        // All are written by then: a check goes ahead of what still waits for that.
        while calls() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let status = check().await.expect("more than a second of calls are before it");
    assert_eq!((status.state, status.message.as_str()), (HealthState::Healthy, ""), "it lives");
    for answer in join_all(load).await {
        answer.expect("no panic").expect("it answers every call");
    }
    let status = within(instance.check()).await;
    assert_eq!((status.state, status.message.as_str()), (HealthState::Degraded, "slow disk"), "as it says itself");
    // One call may take longer than a check, as long as some are answered from check to check.
    let service = instance.service().clone();
    call(&service, json!(0.01)).await.expect("an answer");
    let before = calls();
    let long = tokio::spawn(async move { call(&service, json!(1.5)).await });
    within(async {
        while calls() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let status = check().await.expect("a call is before it");
    assert_eq!((status.state, status.message.as_str()), (HealthState::Healthy, ""), "it lives");
    long.await.expect("no panic").expect("an answer");
    // What answers nothing is not busy.
    let hangs = call_with(instance.service(), json!(60), |call| call.with_timeout(Duration::from_millis(10)));
    hangs.await.expect_err("it hangs");
    check().await.expect("one was answered since the last check");
    check().await.expect_err("and none since this one");
}

/// Nobody's checks overlap but those that are asked for by hand, and then too many of them say nothing of the plugin.
#[tokio::test]
async fn a_check_that_finds_no_place_among_others_is_not_made() {
    let instance = start(fixture(&["hears-nothing"])).await;
    let mut checks: Vec<_> = (0..64).map(|_| Box::pin(instance.check())).collect();
    for check in &mut checks {
        assert!(check.now_or_never().is_none(), "it waits for an answer");
    }
    let status = within(instance.check()).await;
    assert!(status.is_not_checked(), "{status:?}");
    assert_eq!((status.state, status.message.as_str()), (HealthState::Unknown, "too many wait for the plugin"));
    checks.pop();
    assert!(instance.check().now_or_never().is_none(), "there is room again");
}
