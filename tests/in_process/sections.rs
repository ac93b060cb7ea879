//! A section of a configuration that is written is meant: seen at the running stack.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{BoxFuture, BoxPlugin, Call, Code, PluginError, PluginInfo, PluginInstance, Reply, Sent};
use plugin_manager::{
    config,
    launch::{Factories, Factory, Running},
    manager::ServingState,
};
use plugin_transports::{http::ServerOptions, inproc::plugin_fn};
use serde_json::{Map, Value};

/// The codes of five calls of a plugin that always fails, or always answers.
async fn five_calls(section: &str, fails: bool) -> Vec<Option<Code>> {
    let text = format!("plugins: [{{name: a, type: a, transport: inproc, {section}}}]");
    let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.clone().with_server(config.server().clone().with_listen(any));
    let config = config.clone().with_admin(config.admin().clone().with_listen(any));
    let plugin = plugin_fn(move |call: Call<Bytes>| async move {
        if fails { Err(PluginError::new(Code::ExecutionFailed, "no")) } else { Ok(Reply::new(call.into_payload())) }
    });
    let running = Running::start(&config, &Factories::new().with_plugin("a", plugin)).await.expect("it starts");
    let mut codes = Vec::new();
    for _ in 0..5 {
        let outcome = running.manager().execute("a", Bytes::from_static(b"1")).await;
        codes.push(outcome.err().map(|error| error.code()));
    }
    running.shutdown().await;
    codes
}

const LIMITED: Option<Code> = Some(Code::RateLimited);

#[tokio::test]
async fn a_rate_limit_that_is_written_limits() {
    let codes = five_calls("rate_limit: {requests_per_second: 0.001, burst_size: 2}", false).await;
    assert_eq!(codes, [None, None, LIMITED, LIMITED, LIMITED]);
    for off in ["priority: 0", "rate_limit: {enabled: false, requests_per_second: 0.001, burst_size: 2}"] {
        assert_eq!(five_calls(off, false).await, [None; 5], "{off}");
    }
}

#[tokio::test]
async fn a_breaker_that_is_written_opens_and_one_that_is_off_does_not() {
    let breaker = |keys: &str| format!("retry: {{enabled: false}}, circuit_breaker: {{{keys}}}");
    let codes = five_calls(&breaker("failure_threshold: 1, min_request_threshold: 0"), true).await;
    assert_eq!(codes[1..], [Some(Code::CircuitOpen); 4]);
    let codes = five_calls(&breaker("enabled: false, failure_threshold: 1, min_request_threshold: 0"), true).await;
    assert_eq!(codes, [Some(Code::ExecutionFailed); 5]);
}

#[tokio::test]
async fn a_type_that_is_registered_makes_the_plugin_whatever_its_transport_says() {
    let unreachable = "endpoint: 'http://127.0.0.1:1/', health_check: {enabled: false}, retry: {enabled: false}";
    let text = format!(
        "plugins: [{{name: made, type: made, transport: http, {unreachable}}}, \
         {{name: dialled, type: other, transport: http, {unreachable}}}]"
    );
    let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.clone().with_server(config.server().clone().with_listen(any));
    let config = config.clone().with_admin(config.admin().clone().with_listen(any));
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    let running = Running::start(&config, &Factories::new().with_plugin("made", plugin)).await.expect("it starts");
    let outcome = running.manager().execute("made", Bytes::from_static(b"1")).await;
    assert_eq!(outcome.map(|reply| reply.into_payload()).map_err(|error| error.code()), Ok(Bytes::from_static(b"1")));
    assert_eq!(running.manager().get("made").expect("registered").info.transport, "inproc");
    let outcome = running.manager().execute("dialled", Bytes::from_static(b"1")).await;
    assert_eq!(
        outcome.map(|_| ()).map_err(|error| error.code()),
        Err(Code::ConnectionFailed),
        "no factory has this type"
    );
    running.shutdown().await;
}

#[tokio::test]
async fn a_plugin_of_a_registered_type_needs_nothing_that_its_transport_does() {
    let plugins = [
        ("bare", "transport: http"),
        ("tls", "transport: https"),
        ("process", "transport: exec"),
        ("absent", "transport: exec, executable: ./absent"),
        ("other", "transport: https, endpoint: 'http://127.0.0.1:1/'"),
        ("here", "transport: inproc"),
    ];
    let list = |kind: &str| {
        let one = |(name, keys): &(&str, &str)| format!("{{name: {name}, type: {kind}, {keys}}}");
        plugins.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let read = |kind: &str| {
        let text = format!("plugins: [{}]", list(kind));
        let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("a factory may make them");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = config.clone().with_server(config.server().clone().with_listen(any));
        config.clone().with_admin(config.admin().clone().with_listen(any))
    };
    let plugin = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    let factories = Factories::new().with_plugin("made", plugin);

    let config = read("made");
    assert_eq!(config.check_types(|kind| kind == "made"), Ok(()));
    let running = Running::start(&config, &factories).await.expect("it starts");
    for (name, _) in plugins {
        let outcome = running.manager().execute(name, Bytes::from_static(b"1")).await;
        assert_eq!(outcome.expect(name).into_payload(), "1");
        assert_eq!(running.manager().get(name).expect(name).info.transport, "inproc");
    }
    running.shutdown().await;

    // Where nobody makes them, it is said what each lacks, and where: before the start, and by the start.
    let config = read("else");
    let faults = config.check_types(|kind| kind == "made").expect_err("nobody makes them");
    assert_eq!(faults.len(), plugins.len(), "{faults}");
    for says in [
        "plugins[0].endpoint: the transport http needs `endpoint`",
        "g.yaml:1:307: plugins[5].type: this program has no plugin of type \"else\" [PLUGIN_1002]",
    ] {
        assert!(faults.to_string().contains(says), "{faults}");
    }
    let error = Running::start(&config, &factories).await.expect_err("nobody makes them");
    assert_eq!(error.faults().len(), plugins.len(), "{error}");
    for says in
        ["plugins[2].executable: the transport exec needs `executable`", "no plugin of type \"else\"; it has: made"]
    {
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// Makes a plugin where what it needs is there.
struct Needs(Arc<AtomicBool>);

impl Factory for Needs {
    fn create(
        &self,
        name: &str,
        _: &Map<String, Value>,
    ) -> BoxFuture<Result<PluginInstance<BoxPlugin<Bytes, Bytes>>, PluginError>> {
        let made = match self.0.load(Ordering::SeqCst) {
            true => {
                let echo = |call: Call<Bytes>| async { Ok::<_, PluginError>(Reply::new(call.into_payload())) };
                Ok(PluginInstance::new(BoxPlugin::new(plugin_fn(echo)), PluginInfo::new(name, "")))
            }
            false => Err(PluginError::connection("no database", Sent::Nothing)),
        };
        Box::pin(std::future::ready(made))
    }
}

/// One whose database was away for a second ended the gateway, with all that served.
#[tokio::test(start_paused = true)]
async fn a_plugin_of_this_program_that_does_not_start_stops_no_other_unless_it_is_required_and_is_tried_again() {
    let read = |required: bool| {
        let text = format!(
            "plugins: [{{name: away, type: needs, transport: inproc, required: {required}}}, \
             {{name: asked, type: needs, transport: inproc}}, {{name: here, type: made, transport: inproc}}]"
        );
        let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = config.clone().with_server(config.server().clone().with_listen(any));
        config.clone().with_admin(config.admin().clone().with_listen(any))
    };
    let there = Arc::new(AtomicBool::new(false));
    let echo = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
    let factories = Factories::new().with_plugin("made", echo).with("needs", Needs(Arc::clone(&there)));
    let fault = Running::start(&read(true), &factories).await.expect_err("it is required");
    assert_eq!((fault.faults().len(), fault.faults()[0].plugin()), (1, Some("away")), "{fault}");

    let running = Running::start(&read(false), &factories).await.expect("one stops no other");
    let manager = running.manager();
    let call =
        async |name: &str| manager.execute(name, Bytes::from_static(b"1")).await.map(|reply| reply.into_payload());
    assert_eq!(call("here").await.expect("it serves"), "1");
    let late: Vec<_> = running.late().faults().iter().map(PluginError::plugin).collect();
    assert_eq!(late, [Some("away"), Some("asked")]);
    let view = manager.get("away").expect("known");
    assert_eq!(view.state, ServingState::Failed);
    assert!(view.next_start.is_some_and(|next| next <= Duration::from_secs(1)), "{:?}", view.next_start);
    let health = view.health.expect("known").message;
    assert!(
        health.starts_with("the plugin could not be started and is tried again: ") && health.contains("no database")
    );
    let refused = call("away").await.expect_err("it is not there");
    assert!(refused.message().contains("no database"), "{refused}");
    assert_eq!(refused.message_for_callers(), "the plugin could not be started and is tried again");
    assert_eq!(
        (refused.code(), refused.sent(), refused.retry_after().is_some()),
        (Code::CrashLoop, Sent::Nothing, true)
    );
    let fault = manager.restart("asked").await.expect_err("nothing has changed");
    assert_eq!(fault.code(), Code::CrashLoop);

    there.store(true, Ordering::SeqCst);
    manager.restart("asked").await.expect("it is there");
    assert_eq!(call("asked").await.expect("it serves"), "1");
    // And by itself.
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(call("away").await.expect("it serves"), "1");
    assert_eq!(manager.get("away").expect("known").state, ServingState::Serving);
    running.shutdown().await;
}

#[tokio::test]
async fn the_depth_that_the_server_allows_is_that_of_replies_too() {
    let deep = plugin_fn(|_: Call<Bytes>| async {
        Ok::<_, PluginError>(Reply::new(Bytes::from("[".repeat(200) + &"]".repeat(200))))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serving = plugin_transports::http::serve(deep, listener, ServerOptions::new()).expect("it serves");
    for (server, result) in [("", Err(Code::PayloadTooLarge)), ("max_json_depth: 200", Ok(400))] {
        let text = format!(
            "{{server: {{{server}}}, plugins: [{{name: a, transport: http, endpoint: 'http://{address}/', \
             health_check: {{enabled: false}}}}]}}"
        );
        let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = config.clone().with_server(config.server().clone().with_listen(any));
        let config = config.clone().with_admin(config.admin().clone().with_listen(any));
        let running = Running::start(&config, &Factories::new()).await.expect("it starts");
        let outcome = running.manager().execute("a", Bytes::from_static(b"1")).await;
        let seen = outcome.map(|reply| reply.payload().len()).map_err(|error| error.code());
        assert_eq!(seen, result, "{server}");
        running.shutdown().await;
    }
    drop(serving);
}
