//! What an operator is told of plugins that fail, that have a part which does, and that are switched off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use http_body_util::Full;
use plugin_core::{Call, HealthState, HealthStatus, Reply};
use plugin_transports::{
    http::{ServerOptions, serve},
    inproc::plugin_fn,
    json,
    listen::Serving,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Client, Gateway, Program, gateway, get, post, until};

const FLAKY: &str = "
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    reply = {'error': 'database is down: conn refused 10.0.0.5:5432'}
    print(json.dumps({'id': request['id'], **reply}), flush=True)
";

async fn with(dir: &tempfile::TempDir, plugins: &str) -> Gateway {
    std::fs::write(dir.path().join("flaky.py"), FLAKY).expect("written");
    gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\nplugins:\n{plugins}")
    })
    .await
}

#[tokio::test]
async fn why_a_circuit_is_open_and_since_when_is_in_the_log_and_in_every_list() {
    let dir = tempfile::tempdir().expect("a directory");
    let flaky = format!(
        "  - {{name: flaky, transport: exec, executable: python3, args: [flaky.py], work_dir: '{}', \
         retry: {{max_retries: 0}}, health_check: {{enabled: false}}, \
         circuit_breaker: {{failure_threshold: 3, min_request_threshold: 1, recovery_timeout: 1h}}}}\n",
        dir.path().display()
    );
    let gateway = with(&dir, &flaky).await;
    for _ in 0..3 {
        assert_eq!(post(gateway.data, "flaky", "1").await.problem(), (502, "PLUGIN_1203".to_owned()));
    }
    assert_eq!(post(gateway.data, "flaky", "1").await.problem().0, 503, "the circuit is open");
    let cause = "database is down: conn refused 10.0.0.5:5432";
    let said = until("it is in the log", async || {
        let said = gateway.program.stderr();
        said.lines().find(|line| line.contains("circuit breaker")).map(str::to_owned)
    })
    .await;
    let expected = format!("to=\"open\" reason=\"3 failures in a row\" last_error=\"{cause}\" code=\"PLUGIN_1203\"");
    assert!(said.contains(&expected), "{said}");
    // One search finds all lines of a plugin.
    let ready = "the plugin's process is ready plugin=\"flaky\" pid=";
    gateway.program.logs(&[ready]).await;

    let plugin = get(gateway.admin, "/admin/v1/plugins/flaky").await.json();
    let list: Value = serde_json::from_str(&gateway.command(&["plugins", "--json"]).await.worked()).expect("JSON");
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("milliseconds");
    let is_now = |at: &Value| at.as_u64().is_some_and(|at| now.abs_diff(at) < 60_000);
    for told in [&plugin, &list[0], &plugin["instances"][0]] {
        let failure = &told["last_failure"];
        assert_eq!((&failure["code"], &failure["message"]), (&"PLUGIN_1203".into(), &cause.into()), "{told:#}");
        assert!(is_now(&failure["at_ms"]), "{told:#}");
    }
    assert_eq!(plugin["breaker"], "open");
    assert!(is_now(&plugin["breaker_since_ms"]) && is_now(&plugin["since_ms"]), "{plugin:#}");
    assert!(plugin["breaker_next_try"].as_str().is_some_and(|time| time.starts_with("59m")), "{plugin:#}");

    let health = gateway.command(&["health"]).await;
    // Health is what the plugin says, or nobody asks: what is shown beside that is the circuit.
    assert_eq!(health.code(), Some(0), "{health:?}");
    let health = health.worked();
    let row: Vec<_> = health.lines().nth(2).expect("a row").split_whitespace().collect();
    assert_eq!(row[..3], ["flaky", "unknown", "open"], "{health}");
    for listed in [health, gateway.command(&["plugins"]).await.worked()] {
        assert!(listed.contains("flaky: the circuit is open for "), "{listed}");
        assert!(listed.contains(", the next try is in "), "{listed}");
        assert!(listed.contains(&format!(" ago: {cause} (PLUGIN_1203)\n")), "{listed}");
    }
    // All that one asks at three in the morning, without another program.
    let detail = gateway.command(&["plugins", "flaky"]).await.worked();
    let unwrapped = detail.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "circuit open for ",
        "; opened 1 time, the last time for 1h; 1 call refused last failure",
        &format!(" ago on default: {cause} (PLUGIN_1203) calls 4: success 0, failure 3, refused 1,"),
        "errors CIRCUIT_1401: 1, PLUGIN_1203: 3 ",
        "in flight 0, 0 calls given up and not answered ",
        "process 0 restarts, 0 failed starts ",
        "INSTANCE HEALTH ACTIVE CALLS OK FAILED MEAN SCORE default unknown 0 3 0 3 ",
    ] {
        assert!(unwrapped.contains(told), "{told:?} is not in\n{detail}");
    }
    assert!(detail.lines().all(|line| line.chars().count() <= 80), "{detail}");
    let told: Value =
        serde_json::from_str(&gateway.command(&["plugins", "flaky", "--json"]).await.worked()).expect("JSON");
    assert_eq!((&told["circuit"]["opened"], &told["limits"]["timeout"]), (&1.into(), &"30s".into()), "{told:#}");
    let probe = get(gateway.admin, "/health").await.json();
    assert_eq!(probe["plugins"]["flaky"]["breaker"], "open", "{probe:#}");
    assert!(
        !probe.to_string().contains("10.0.0.5"),
        "a probe needs no token, and is not told what plugins say: {probe}"
    );
}

#[tokio::test]
async fn what_the_configuration_switches_off_says_so_to_every_command_and_stays_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let off = "  - {name: exe, transport: exec, executable: python3, args: [flaky.py], enabled: false}\n  \
               - {name: web, transport: http, endpoint: 'http://127.0.0.1:1/', enabled: false}\n";
    let gateway = with(&dir, off).await;
    for name in ["exe", "web"] {
        for command in ["enable", "restart", "drain"] {
            let said = gateway.command(&[command, name]).await.failed(1);
            assert!(said.contains("the configuration says `enabled: false`"), "{command} {name}: {said}");
            assert!(said.contains("set `enabled: true` there") && said.contains("(PLUGIN_1202)"), "{said}");
            let path = format!("http://{}/admin/v1/plugins/{name}/{command}", gateway.admin);
            let request = Request::post(path).body(Full::default()).expect("valid");
            let answer = Client::new().send(request).await.expect("an answer");
            assert_eq!(answer.problem(), (409, "PLUGIN_1202".to_owned()), "{command} {name}");
            assert_eq!(answer.json()["retryable"], false, "{command} {name}");
        }
        assert_eq!(gateway.command(&["disable", name]).await.worked(), format!("{name} is disabled\n"));
        assert_eq!(get(gateway.admin, &format!("/admin/v1/plugins/{name}")).await.json()["state"], "disabled");
        let said = gateway.command(&["call", name, "1"]).await.failed(1);
        assert!(said.contains("the configuration says `enabled: false`"), "{said}");
        let (page, count) = (
            get(gateway.admin, "/metrics").await,
            format!("plugin_requests_total{{plugin=\"{name}\",status=\"refused\"}} 1"),
        );
        assert!(page.text().lines().any(|line| line == count), "{count}: {}", page.text());
    }
    let line =
        "path=\"/admin/v1/plugins/exe/enable\" outcome=\"failed\" code=\"PLUGIN_1202\" reason=\"the configuration says";
    until("the log says why the command failed", async || gateway.program.stderr().contains(line).then_some(())).await;
}

async fn web(well: &Arc<AtomicBool>) -> Serving {
    let plugin = json::serve(plugin_fn(|call: Call<Value>| async move { Ok(Reply::new(call.into_payload())) }));
    let well = Arc::clone(well);
    let health = move || {
        // Relaxed: nothing else is read because of it.
        let state = if well.load(Ordering::Relaxed) { HealthState::Healthy } else { HealthState::Unhealthy };
        std::future::ready(HealthStatus::new(state, "the disk is full"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    serve(plugin, listener, ServerOptions::new().with_health(health)).expect("it serves")
}

#[tokio::test]
async fn a_change_of_health_names_the_instance_and_the_plugin_has_a_line_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let (well, ill) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (a, b) = (web(&well).await, web(&ill).await);
    let multi = format!(
        "  - name: multi\n    transport: http\n    health_check: {{interval: 50ms, failure_limit: 1}}\n    \
         instances: [{{name: east, endpoint: 'http://{}/'}}, {{name: west, endpoint: 'http://{}/'}}]\n",
        a.local_addr(),
        b.local_addr()
    );
    let gateway = with(&dir, &multi).await;
    let line = async |parts: &[&str]| {
        until(&format!("a line with {parts:?}"), async || {
            let said = gateway.program.stderr();
            said.lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
        })
        .await;
    };
    line(&["health changed plugin=\"multi\" instance=\"east\" health=\"healthy\""]).await;
    line(&["health changed plugin=\"multi\" instance=\"west\" health=\"healthy\""]).await;
    line(&["health changed plugin=\"multi\" health=\"healthy\""]).await;
    ill.store(false, Ordering::Relaxed);
    line(&["WARN", "plugin=\"multi\" instance=\"west\" health=\"offline\" reason=\"", "the disk is full"]).await;
    line(&["WARN", "plugin=\"multi\" health=\"degraded\" reason=\"1 of 2 instances are healthy"]).await;
    let said = gateway.program.stderr();
    assert!(!said.contains("plugin=\"multi\" health=\"offline\""), "the plugin is not: {said}");
    drop((a, b));
    tokio::time::timeout(Duration::from_secs(20), gateway.command(&["status"])).await.expect("in time").worked();
}

#[tokio::test]
async fn a_plugin_that_is_another_version_than_it_should_be_is_told_of_once_and_one_that_says_none_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = "
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({'id': request['id'], 'result': {'version': sys.argv[1]}}), flush=True)
";
    std::fs::write(dir.path().join("says.py"), plugin).expect("written");
    let of = |name: &str, says: &str| {
        format!(
            "  - {{name: {name}, transport: exec, executable: python3, args: [says.py, '{says}'], work_dir: ., version: 2.0.0}}\n"
        )
    };
    let gateway = with(&dir, &(of("older", "1.9.0") + &of("same", "2.0.0") + &of("silent", ""))).await;
    let told = "another version than the configuration does plugin=\"older\" configured=\"2.0.0\" version=\"1.9.0\"";
    until("the log says so", async || gateway.program.stderr().contains(told).then_some(())).await;
    assert_eq!(gateway.program.stderr().matches("another version").count(), 1, "{}", gateway.program.stderr());
    let silent = get(gateway.admin, "/admin/v1/plugins/silent").await.json();
    assert_eq!(silent["version"], "2.0.0", "{silent:#}");
}

#[tokio::test]
async fn a_plugin_without_a_health_endpoint_serves_unless_one_is_named_and_the_refusal_tells_the_way_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap_or_default();
            let answer = match head[..read].starts_with(b"GET") {
                true => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                false => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n{\"data\":7}",
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = |name: &str, endpoint: &str| {
        format!(
            "  - {{name: {name}, transport: http, endpoint: 'http://{address}/', \
             health_check: {{interval: 20ms, failure_limit: 1{endpoint}}}, retry: {{max_retries: 0}}}}\n"
        )
    };
    let gateway = with(&dir, &(plugin("bare", "") + &plugin("named", ", endpoint: /up"))).await;
    let said = until("it is taken out", async || {
        let ended = gateway.command(&["call", "named", "1"]).await;
        ended.stderr.contains("HEALTH_1601").then_some(ended.stderr)
    })
    .await;
    assert!(said.ends_with("`plugin-manager health` says why.\n"), "it has no process to start anew: {said}");
    let health = until("the other is checked", async || {
        let said = gateway.command(&["health"]).await.stdout;
        said.contains("no health endpoint").then_some(said)
    })
    .await;
    assert!(health.contains("/up answered 404 Not Found, and is what `health_check.endpoint` names"), "{health}");
    let bare = health.lines().find(|line| line.starts_with("bare ")).expect("a row");
    assert!(
        bare.contains("healthy")
            && health.contains("\nbare: the plugin answers, and has no health endpoint: /health answered 404"),
        "{health}"
    );
    assert_eq!(gateway.command(&["call", "bare", "1"]).await.worked(), "7\n");
    let warned = |log: &str| log.matches("the plugin has no health endpoint").count();
    until("the log says so", async || (warned(&gateway.program.stderr()) > 0).then_some(())).await;
    assert_eq!(warned(&gateway.program.stderr()), 1, "after many checks: {}", gateway.program.stderr());
}

#[tokio::test]
async fn help_says_what_there_is_and_that_a_payload_is_json() {
    let help = Program::start(["--help"]).ends().await.worked();
    assert!(help.starts_with("Runs plugins behind circuit breakers, retries, limits and health checks"), "{help}");
    assert!(!help.contains("reload"), "there is none: {help}");
    let help = Program::start(["call", "--help"]).ends().await.worked();
    assert!(help.contains("The payload, which is JSON, such as"), "{help}");
}
