//! What a host is told by a plugin that is well.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use plugin_core::{Call, Code, HealthState, HealthStatus, PluginError, PluginInfo, Rejected, Reply, Sent};
use plugin_transports::{
    inproc::plugin_fn,
    listen::{SocketPath, UnixSocket, UnixSocketOptions},
    unix::{self, UnixConfig, UnixServerOptions},
};
use serde_json::json;

use crate::support::{Act, Place, Scripted, call, connect, millis, ok, send, within};

#[tokio::test]
async fn a_call_is_written_as_go_plugins_writes_it_and_its_bytes_arrive_as_they_are() {
    let plugin = Scripted::start(|_, request| Act::Write(ok(request, &request["data"].to_string())));
    let instance = plugin.connect();
    let mut request = Call::new(Bytes::from_static(b"{\"a\":\n[1,2]}")).with_timeout(Duration::from_secs(20));
    request.context_mut().set_request_id("r1");
    request.context_mut().headers_mut().insert("x-tenant", "t1".parse().expect("a value"));
    request.context_mut().metadata_mut().insert("k".into(), "v".into());
    let reply = send(&instance, request).await.expect("a reply");
    assert_eq!(reply.payload(), r#"{"a":[1,2]}"#);
    let seen = &plugin.seen()[0];
    let left = seen["timeout_ms"].as_u64().expect("a number");
    assert!((10_000..=20_000).contains(&left), "{left}");
    assert_eq!(
        *seen,
        json!({"type": "execute", "request_id": "r1", "data": {"a": [1, 2]}, "headers": {"x-tenant": "t1"},
            "timeout_ms": left, "metadata": {"k": "v"}})
    );
    assert_eq!(instance.info().transport, "unix");
}

#[tokio::test]
async fn a_result_is_passed_through_byte_for_byte_and_headers_are_its_metadata() {
    let line = |request: &serde_json::Value| {
        let id = &request["request_id"];
        format!(
            "{{ \"request_id\":{id}, \"success\":true, \"data\": {{\"n\": 2.50e1 }}, \"headers\":{{\"took\":5}} }}\r\n"
        )
    };
    let plugin = Scripted::start(move |_, request| Act::Write(line(request).into_bytes()));
    let reply = call(&plugin.connect(), "1").await.expect("a reply");
    assert_eq!(reply.payload(), "{\"n\": 2.50e1 }");
    assert_eq!(*reply.metadata(), BTreeMap::from([("took".to_owned(), "5".to_owned())]));
}

#[tokio::test]
async fn codes_and_what_a_plugin_says_of_another_attempt_survive_between_our_two_ends() {
    async fn refuse(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
        Err(match &call.payload()[..] {
            b"1" => PluginError::execution("no user"),
            b"2" => PluginError::execution("later").with_retryable(true).with_retry_after(millis(250)),
            b"3" => PluginError::new(Code::InvalidPayload, "no name"),
            b"4" => Rejected::rate_limited(millis(1500)).into(),
            b"5" => Rejected::circuit_open(Some(millis(500))).into(),
            b"6" => PluginError::new(Code::Timeout, "a limit of mine"),
            _ => PluginError::new(Code::Forbidden, "not you"),
        })
    }
    let place = Place::new();
    let _server = place.serve(plugin_fn(refuse), UnixServerOptions::new()).await;
    let instance = connect(place.config());
    for (payload, code, retryable, after) in [
        ("1", Code::ExecutionFailed, false, None),
        ("2", Code::ExecutionFailed, true, Some(millis(250))),
        ("3", Code::InvalidPayload, false, None),
        ("4", Code::RateLimited, true, Some(millis(1500))),
        // What only a host can say is a failure of the plugin, seen from outside.
        ("5", Code::ExecutionFailed, true, Some(millis(500))),
        ("6", Code::Timeout, false, None),
        ("7", Code::Forbidden, false, None),
    ] {
        let error = call(&instance, payload).await.expect_err(payload);
        assert_eq!((error.code(), error.is_retryable(), error.retry_after()), (code, retryable, after), "{error}");
        assert_eq!((error.plugin(), error.sent()), (Some("p"), Sent::Maybe));
    }
}

#[tokio::test]
async fn a_request_of_megabytes_comes_back_and_one_beyond_the_limit_is_not_sent() {
    let place = Place::new();
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let instance = connect(place.config());
    let large = format!("\"{}\"", "x".repeat(4_000_000));
    assert_eq!(call(&instance, large.clone()).await.expect("a reply").into_payload(), large);
    for length in [4 << 20, (4 << 20) - 60] {
        let error = call(&instance, format!("\"{}\"", "x".repeat(length))).await.expect_err("too long");
        assert_eq!((error.code(), error.sent()), (Code::PayloadTooLarge, Sent::Nothing));
        assert!(error.message().contains("`max_line` is 4194304"), "{error}");
    }
    let error = call(&instance, "{").await.expect_err("no JSON");
    assert_eq!((error.code(), error.sent()), (Code::InvalidPayload, Sent::Nothing));
}

#[tokio::test]
async fn health_and_info_are_asked_of_the_plugin() {
    for (status, message) in [
        (HealthStatus::healthy(), ""),
        (HealthStatus::degraded("one disk of two"), "one disk of two"),
        (HealthStatus::unhealthy("no disk"), "no disk"),
    ] {
        let place = Place::new();
        let said = status.clone();
        let options = UnixServerOptions::new().with_info(PluginInfo::new("echo", "1.2.0")).with_health(move || {
            let said = said.clone();
            async move { said }
        });
        let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
        let _server = place.serve(plugin, options).await;
        let instance = connect(place.config());
        let checked = within(instance.check()).await;
        assert_eq!((checked.state, checked.message.as_str()), (status.state, message));
        let info = within(instance.service().info()).await.expect("it says");
        assert_eq!((info.name.as_str(), info.version.as_str(), info.transport.as_str()), ("echo", "1.2.0", "unix"));
    }
}

#[tokio::test]
async fn what_plugins_of_go_say_of_their_health_is_read_as_its_host_reads_it() {
    let state = async |tail: &'static str| {
        let plugin = Scripted::start(move |_, request| {
            let id = &request["request_id"];
            Act::Write(format!("{{\"type\":\"health\",\"request_id\":{id},{tail}}}\n").into_bytes())
        });
        let status = within(plugin.connect().check()).await;
        (status.state, status.message)
    };
    assert_eq!(state("\"success\":true").await, (HealthState::Healthy, String::new()));
    assert_eq!(state("\"success\":false,\"error\":\"slow\"").await, (HealthState::Degraded, "slow".to_owned()));
    assert_eq!(state("\"success\":false").await.0, HealthState::Degraded);
    assert_eq!(state("\"success\":true,\"data\":{\"status\":\"degraded\"}").await.0, HealthState::Degraded);
    let place = Place::new();
    let absent = within(connect(place.config()).check()).await;
    assert_eq!(absent.state, HealthState::Unhealthy);
    assert!(absent.message.contains("cannot be reached"), "{}", absent.message);
}

#[tokio::test]
async fn where_a_socket_is_the_operator_hears_and_no_caller() {
    let place = Place::new();
    let error = call(&connect(place.config()), "1").await.expect_err("nobody is there");
    let why = "cannot be reached: No such file or directory (os error 2)";
    assert_eq!(error.message(), format!("unix:{} {why}", place.path().display()));
    assert_eq!(error.message_for_callers(), format!("the plugin {why}"));
}

#[tokio::test]
async fn a_plugin_that_is_closed_takes_no_call_and_lets_those_in_flight_end() {
    let place = Place::new();
    let plugin = plugin_fn(async |call: Call<Bytes>| {
        tokio::time::sleep(millis(50)).await;
        Ok::<_, PluginError>(Reply::new(call.into_payload()))
    });
    let _server = place.serve(plugin, UnixServerOptions::new()).await;
    let instance = connect(place.config());
    let flying = call(&instance, "1");
    let closing = instance.close(Duration::from_secs(10));
    let (flew, closed) = tokio::join!(flying, async {
        tokio::task::yield_now().await;
        within(closing).await
    });
    assert_eq!(flew.expect("it was in flight").payload(), "1");
    closed.expect("all has ended");
    let error = call(&instance, "2").await.expect_err("closed");
    assert_eq!((error.code(), error.sent()), (Code::Draining, Sent::Nothing));
}

#[tokio::test]
async fn a_plugin_on_an_abstract_name_is_reached_by_it() {
    let name = format!("@plugin-transports-{}-client", std::process::id());
    let path: SocketPath = name.parse().expect("a name");
    let socket = UnixSocket::bind(&path, UnixSocketOptions::new()).await.expect("free");
    let plugin = plugin_fn(async |call: Call<Bytes>| Ok::<_, PluginError>(Reply::new(call.into_payload())));
    let _server = unix::serve(plugin, socket, UnixServerOptions::new()).expect("it listens");
    for endpoint in [name.clone(), format!("unix:{name}")] {
        let instance = connect(UnixConfig::builder("p", endpoint));
        assert_eq!(call(&instance, "7").await.expect("a reply").payload(), "7");
    }
}
