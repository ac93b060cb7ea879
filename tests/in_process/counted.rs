//! What callers see and what is counted are the same numbers, whoever refused a call.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use plugin_breaker::CircuitBreakerConfig;
use plugin_core::{Call, Code, PluginError, PluginInfo, PluginInstance, Reply};
use plugin_manager::{
    config,
    launch::{Factories, Running},
    manager::Manager,
    server::{Gateway, GatewaySettings},
    stack::{Instance, StackSettings},
};
use plugin_ratelimit::RateLimitConfig;
use plugin_telemetry::Status;
use plugin_transports::auth::Verifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;

const JSON: &str = "content-type: application/json\r\n";

async fn plugin(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    match call.payload().as_ref() {
        b"\"fail\"" => Err(PluginError::execution("as asked")),
        b"\"blame\"" => Err(PluginError::new(Code::InvalidPayload, "not this")),
        b"\"full\"" => Err(PluginError::new(Code::ConcurrencyExceeded, "no room")),
        b"\"hang\"" => std::future::pending().await,
        _ => Ok(Reply::new(call.into_payload())),
    }
}

async fn answer(data: SocketAddr, request: &str) -> String {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(data).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        // An end or a reset: what came before it is the answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("in time")
}

/// Answers, by their status, of which a client has seen so many.
#[derive(Default)]
struct Seen(BTreeMap<u16, u64>);

impl Seen {
    async fn ask(&mut self, data: SocketAddr, request: String) -> u16 {
        let answer = answer(data, &request).await;
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{answer:?} to {request:?}"));
        *self.0.entry(status).or_default() += 1;
        status
    }

    async fn expect(&mut self, data: SocketAddr, times: u64, status: u16, request: &str) {
        for _ in 0..times {
            assert_eq!(self.ask(data, request.to_owned()).await, status, "{request}");
        }
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer t\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn post(name: &str, headers: &str, body: &str) -> String {
    request("POST", &format!("/v1/plugins/{name}"), headers, body)
}

/// The samples of a family, by their labels.
fn family(page: &str, name: &str) -> BTreeMap<String, u64> {
    let samples = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    samples.map(|(labels, value)| (labels.to_owned(), value.parse().expect("a count"))).collect()
}

#[tokio::test]
async fn every_answer_that_a_client_gets_is_counted_once_whoever_refused_it() {
    let manager: Manager<Bytes, Bytes> = Manager::new();
    let register = |name: &str, settings: StackSettings| {
        let instance = Instance::new("only", PluginInstance::new(service_fn(plugin), PluginInfo::new(name, "1.0.0")));
        let settings = settings.with_timeout(Duration::from_secs(10)).with_retry(None);
        manager.register_with(name, settings.build(name, vec![instance]).expect("one instance")).expect("free");
    };
    register("echo", StackSettings::default());
    let breaker = CircuitBreakerConfig::builder().with_failure_threshold(3).build().expect("valid");
    register("flaky", StackSettings::default().with_circuit_breaker(breaker));
    let limit = RateLimitConfig::builder().with_requests_per_second(0.01).with_burst_size(2).build().expect("valid");
    register("limited", StackSettings::default().with_rate_limit(limit));
    register("drained", StackSettings::default());
    register("off", StackSettings::default());
    assert!(manager.drain("drained", Duration::from_secs(1)).await.expect("drained").is_clean());
    manager.disable("off").expect("registered");

    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = GatewaySettings::default()
        .with_listen(any)
        .with_admin_listen(any)
        .with_verifier(Verifier::new().with_bearer("ci", "t"))
        .with_max_body(40_000)
        .with_max_bodies(30_000)
        .with_body_timeout(Duration::from_millis(80));
    let gateway = Gateway::start(manager.clone(), settings).await.expect("free ports");
    let data = gateway.data_addr();
    let mut seen = Seen::default();

    // Calls that reached the plugin.
    seen.expect(data, 5, 200, &post("echo", JSON, "1")).await;
    seen.expect(data, 3, 502, &post("flaky", JSON, "\"fail\"")).await;
    seen.expect(data, 2, 503, &post("flaky", JSON, "1")).await;
    seen.expect(data, 2, 400, &post("echo", JSON, "\"blame\"")).await;
    seen.expect(data, 1, 503, &post("echo", JSON, "\"full\"")).await;
    seen.expect(data, 2, 504, &post("echo", &format!("{JSON}x-request-timeout: 20ms\r\n"), "\"hang\"")).await;
    seen.expect(data, 2, 200, &post("limited", JSON, "1")).await;
    seen.expect(data, 3, 429, &post("limited", JSON, "1")).await;
    // Those that the manager refused.
    seen.expect(data, 4, 503, &post("drained", JSON, "1")).await;
    seen.expect(data, 2, 503, &post("off", JSON, "1")).await;
    // Those that were refused at the door of a plugin.
    seen.expect(data, 3, 400, &post("echo", JSON, "{")).await;
    seen.expect(data, 1, 400, &post("echo", &format!("{JSON}x-priority: high\r\n"), "1")).await;
    seen.expect(data, 1, 400, &post("echo?x=1", JSON, "1")).await;
    seen.expect(data, 2, 415, &post("echo", "", "1")).await;
    seen.expect(data, 1, 413, &post("echo", JSON, &"1".repeat(50_000))).await;
    seen.expect(data, 1, 503, &post("echo", JSON, &"1".repeat(35_000))).await;
    let slow = post("echo", JSON, "1").replace("content-length: 1", "content-length: 2");
    seen.expect(data, 1, 408, &slow).await;
    // Those of no plugin.
    seen.expect(data, 2, 404, &post("nobody", JSON, "1")).await;
    seen.expect(data, 1, 404, &post("somebody", JSON, "1")).await;
    seen.expect(data, 1, 404, &request("GET", "/metrics", "", "")).await;
    seen.expect(data, 1, 405, &request("GET", "/v1/plugins/echo", "", "")).await;
    seen.expect(data, 1, 400, &post("%FF", JSON, "1")).await;
    seen.expect(data, 2, 401, &post("echo", JSON, "1").replace("Bearer t", "Bearer u")).await;
    seen.expect(data, 1, 403, &post("echo", JSON, "1").replace("localhost", "evil.example")).await;
    let counts = |manager: &Manager<Bytes, Bytes>| gateway.metrics().scrape(&manager.list());
    let page = counts(&manager);
    let requests = family(&page, "plugin_requests_total");
    let of = |plugin: &str| {
        ["success", "failure", "refused", "caller"]
            .map(|status| requests[&format!(r#"plugin="{plugin}",status="{status}""#)])
    };
    assert_eq!(of("flaky"), [0, 3, 2, 0]);
    assert_eq!(of("limited"), [2, 0, 3, 0]);
    assert_eq!((of("drained"), of("off")), ([0, 0, 4, 0], [0, 0, 2, 0]));
    assert_eq!(of("echo"), [5, 0, 2, 2 + 2 + 5 + 2 + 1 + 1]);
    let errors = family(&page, "plugin_errors_total");
    for (plugin, code, count) in [
        ("drained", "LIFECYCLE_2101", 4),
        ("off", "PLUGIN_1202", 2),
        ("echo", "PLUGIN_1206", 2 + 5 + 2),
        ("echo", "PLUGIN_1207", 1),
        ("echo", "PLUGIN_1204", 3),
        ("echo", "OVERLOAD_2002", 1),
    ] {
        assert_eq!(errors[&format!(r#"plugin="{plugin}",code="{code}""#)], count, "{plugin} {code}");
    }
    let mut rejected = family(&page, "plugin_manager_rejected_requests_total");
    rejected.retain(|_, count| *count > 0);
    let expected = [
        (r#"http_status="400",code="PLUGIN_1001""#, 1),
        (r#"http_status="401",code="AUTH_1106""#, 2),
        (r#"http_status="403",code="AUTH_1107""#, 1),
        (r#"http_status="404",code="PLUGIN_1201""#, 3),
        (r#"http_status="404",code="PLUGIN_1206""#, 1),
        (r#"http_status="405",code="PLUGIN_1206""#, 1),
    ];
    assert_eq!(rejected, expected.map(|(labels, count)| (labels.to_owned(), count)).into());

    // To the unit.
    let answered: u64 = requests.values().sum();
    assert_eq!(seen.0.values().sum::<u64>(), answered + rejected.values().sum::<u64>(), "{:?}\n{page}", seen.0);
    let durations: u64 = family(&page, "plugin_request_duration_seconds_count").values().sum();
    assert_eq!(durations, answered);

    // Nobody sees what is answered to a client that went away before it had sent all, and it is counted all the same.
    let mut gone = tokio::net::TcpStream::connect(data).await.expect("a connection");
    gone.write_all(slow.as_bytes()).await.expect("written");
    drop(gone);
    let total = || family(&counts(&manager), "plugin_requests_total").values().sum::<u64>();
    let counted = async {
        while total() == answered {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("counted");

    // A call that hangs keeps the manager from the end of its shutdown, and what comes meanwhile is counted too.
    let hung = tokio::spawn(manager.execute("echo", Bytes::from_static(b"\"hang\"")));
    while manager.get("echo").expect("registered").in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = manager.clone();
    let stopped = tokio::spawn(async move { stopping.shutdown(Duration::from_secs(20)).await });
    while !manager.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    seen.expect(data, 2, 503, &post("echo", JSON, "1")).await;
    let refused = &family(&counts(&manager), "plugin_errors_total")[r#"plugin="echo",code="LIFECYCLE_2102""#];
    assert_eq!(*refused, 2);
    hung.abort();
    stopped.await.expect("no panic");
}

/// Nothing of it said which plugin and which request it was, and it was in the counts without a code.
#[tokio::test]
async fn a_plugin_of_this_program_that_panics_is_named_with_its_request_and_counted_by_its_code() {
    let text = "plugins: [{name: p, type: panics, transport: inproc, retry: {max_retries: 0}}]";
    let config = config::from_text(Path::new("g.yaml"), text, None, &|_| None).expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.clone().with_server(config.server().clone().with_listen(any));
    let config = config.clone().with_admin(config.admin().clone().with_listen(any));
    let plugin = service_fn(|call: Call<Bytes>| async move {
        assert_ne!(call.payload(), "13", "unlucky");
        Ok::<_, PluginError>(Reply::new(call.into_payload()))
    });
    let running = Running::start(&config, &Factories::new().with_plugin("panics", plugin)).await.expect("it starts");
    let data = running.gateway().data_addr();
    let call = async |payload: &str| answer(data, &post("p", &format!("{JSON}x-request-id: abc-1\r\n"), payload)).await;
    let failed = call("13").await;
    for said in [
        "HTTP/1.1 502 ",
        "x-request-id: abc-1\r\n",
        r#""code":"PLUGIN_1203""#,
        r#""plugin":"p""#,
        r#""request_id":"abc-1""#,
        "has panicked",
    ] {
        assert!(failed.contains(said), "{said} is not in {failed}");
    }
    assert!(call("1").await.starts_with("HTTP/1.1 200 "), "the next one is answered");
    let view = running.manager().get("p").expect("registered");
    let counts = view.telemetry.expect("counted").stats();
    assert_eq!(counts.ended(Status::Failure), 1);
    assert_eq!(
        counts.codes().iter().map(|(code, times)| (*code, *times)).collect::<Vec<_>>(),
        [(Code::ExecutionFailed, 1)]
    );
    let (_, failure) = view.controls.instances.and_then(|instances| instances.last_failure()).expect("one failed");
    assert_eq!((failure.code, &*failure.message), (Some(Code::ExecutionFailed), "the service panicked"));
    running.shutdown().await;
}
