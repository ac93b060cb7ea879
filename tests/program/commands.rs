//! The commands against a running gateway: what each prints, and its exit code.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_core::{Call, HealthState, HealthStatus, PluginError, Reply};
use plugin_transports::{
    http::{ServerOptions, serve},
    inproc::plugin_fn,
    json,
    listen::Serving,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Gateway, Program, children, example, gateway, state, until};

/// A plugin that is as healthy as the test wants it to be, and fails when it is given `"fail"`.
async fn web(well: &Arc<AtomicBool>) -> Serving {
    let plugin = json::serve(plugin_fn(|call: Call<Value>| async move {
        match call.payload().as_str() {
            Some("fail") => Err(PluginError::execution("out of paper")),
            Some("hang") => std::future::pending().await,
            _ => Ok(Reply::new(call.into_payload())),
        }
    }));
    let well = Arc::clone(well);
    let health = move || {
        // Relaxed: nothing else is read because of it.
        let state = if well.load(Ordering::Relaxed) { HealthState::Healthy } else { HealthState::Unhealthy };
        std::future::ready(HealthStatus::new(state, "the queue is full"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    serve(plugin, listener, ServerOptions::new().with_health(health)).expect("it serves")
}

async fn gateway_of(web: &Serving, dir: &tempfile::TempDir) -> Gateway {
    let (web, echo) = (web.local_addr(), example("plugins/echo.py"));
    gateway(&dir.path().join("gateway.yaml"), &[], |data: SocketAddr, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
default_health_check: {{interval: 50ms, failure_limit: 1}}
plugins:
  - {{name: web, transport: http, endpoint: 'http://{web}/'}}
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
"
        )
    })
    .await
}

#[tokio::test]
async fn an_operator_looks_switches_and_drains() {
    let dir = tempfile::tempdir().expect("a directory");
    let well = Arc::new(AtomicBool::new(true));
    let web = web(&well).await;
    let gateway = gateway_of(&web, &dir).await;
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");

    for row in gateway.command(&["plugins"]).await.worked().lines().skip(1) {
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells[5..8], ["0", "-", "-"], "what was never measured has no figure: {row}");
    }
    assert_eq!(gateway.command(&["call", "echo", "{\"a\": [1, 2.5]}"]).await.worked(), "{\"a\": [1, 2.5]}\n");
    assert_eq!(gateway.command_with(&["call", "web", "-"], &[], "[true]").await.worked(), "[true]\n");
    assert_eq!(gateway.command(&["call", "web"]).await.worked(), "null\n");

    let status = gateway.command(&["status"]).await.worked();
    assert!(status.starts_with("serving, up ") && status.contains("\n2 plugins, 3 calls, 0 in flight\n"), "{status}");
    let status = parse(&gateway.command(&["--json", "status"]).await.worked());
    assert_eq!((&status["plugins"], &status["calls"], &status["shutting_down"]), (&2.into(), &3.into(), &false.into()));

    let plugins = gateway.command(&["plugins"]).await.worked();
    let cells: Vec<Vec<_>> = plugins.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells[0][..4], ["NAME", "STATE", "TRANSPORT", "HEALTH"], "{plugins}");
    assert_eq!((&cells[1][..3], &cells[2][..3]), (&["echo", "serving", "exec"][..], &["web", "serving", "http"][..]));
    let plugins = parse(&gateway.command(&["plugins", "--json"]).await.worked());
    assert_eq!((&plugins[0]["calls"]["success"], &plugins[0]["restarts"]), (&1.into(), &0.into()), "{plugins:#}");

    until("everything is healthy", async || (gateway.command(&["health"]).await.code() == Some(0)).then_some(())).await;
    well.store(false, Ordering::Relaxed);
    let sick = until("web is down", async || {
        let ended = gateway.command(&["health"]).await;
        (ended.code() == Some(1)).then_some(ended)
    })
    .await;
    assert!(sick.stdout.starts_with("unhealthy: web is "), "{sick:?}");
    assert!(sick.stdout.contains("the queue is full") && sick.stderr.is_empty(), "{sick:?}");
    let ended = gateway.command(&["health", "--json"]).await;
    let health = parse(&ended.stdout);
    assert_eq!((ended.code(), &health["status"]), (Some(1), &"unhealthy".into()), "{health:#}");
    let (echo, web) = (&health["plugins"]["echo"]["status"], &health["plugins"]["web"]["status"]);
    assert!(echo == "healthy" && (web == "unhealthy" || web == "offline"), "{health:#}");
    well.store(true, Ordering::Relaxed);
    until("web is up again", async || (gateway.command(&["call", "web"]).await.code() == Some(0)).then_some(())).await;

    assert_eq!(gateway.command(&["disable", "web"]).await.worked(), "web is disabled\n");
    let said = gateway.command(&["call", "web"]).await.failed(1);
    assert!(said.starts_with("plugin-manager: web: ") && said.contains("(PLUGIN_1202)"), "{said}");
    let plugin = parse(&gateway.command(&["enable", "web", "--json"]).await.worked());
    assert_eq!((&plugin["name"], &plugin["state"]), (&"web".into(), &"serving".into()), "{plugin:#}");
    assert_eq!(gateway.command(&["call", "web"]).await.worked(), "null\n");

    let echo = children(gateway.program.pid());
    assert_eq!(echo.len(), 1);
    let said = gateway.command(&["drain", "echo", "--timeout", "10s"]).await.worked();
    assert!(said.starts_with("echo drained in "), "{said}");
    assert!(gateway.command(&["call", "echo"]).await.failed(1).contains("(LIFECYCLE_2101)"));
    let plugin = parse(&gateway.command(&["plugins", "--json"]).await.worked());
    assert_eq!(plugin[0]["state"], "drained", "{plugin:#}");
    assert_eq!(gateway.command(&["enable", "echo"]).await.worked(), "echo is serving\n", "a drain can be undone");
    assert_eq!(gateway.command(&["call", "echo", "1"]).await.worked(), "1\n");

    assert_eq!(gateway.command(&["restart", "echo"]).await.worked(), "echo is serving\n");
    assert_eq!(state(echo[0]), None, "its process was stopped, and reaped");
    assert_eq!(gateway.command(&["call", "echo", "2"]).await.worked(), "2\n");
    let said = gateway.command(&["restart", "web"]).await.failed(1);
    assert!(said.contains("web: this plugin has no process of its own") && said.contains("(PLUGIN_1008)"), "{said}");
    for command in ["call", "drain", "enable", "restart", "disable"] {
        let said = gateway.command(&[command, "nobody"]).await.failed(1);
        assert!(said.contains("no plugin has this name (PLUGIN_1201)"), "{command}: {said}");
    }
}

#[tokio::test]
async fn a_call_that_fails_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let web = web(&Arc::new(AtomicBool::new(true))).await;
    let gateway = gateway_of(&web, &dir).await;
    let said = gateway.command(&["call", "web", "\"fail\""]).await.failed(1);
    assert_eq!(said, "plugin-manager: web: out of paper (PLUGIN_1203)\n");
    let said = gateway.command(&["call", "web", "no json"]).await.failed(2);
    assert!(said.contains("the payload is not JSON") && said.contains("as '\"text\"'"), "{said}");
    let ended = gateway.command_with(&["call", "web", "-"], &[], "no json").await;
    assert!(ended.code() == Some(2) && ended.stderr.contains("the payload is not JSON"), "{ended:?}");
    // The second as Go writes a time that is no whole number of milliseconds: `250.5µs`, which no header may carry.
    for limit in ["100ms", "250.5us"] {
        let said = gateway.command(&["call", "web", "\"hang\"", "--timeout", limit]).await.failed(1);
        assert!(said.contains("(PLUGIN_1204)"), "{said}");
    }
    let drained = gateway.command(&["drain", "web", "--timeout", "0s"]).await;
    assert_eq!(drained.code(), Some(0), "{drained:?}");
}

#[tokio::test]
async fn arguments_that_are_wrong_exit_with_2_and_a_gateway_that_is_not_there_with_1() {
    for (args, says) in [
        (&[][..], "Usage: gateway"),
        (&["statsu"], "'status'"),
        (&["call"], "<NAME>"),
        (&["call", "x", "1", "--timeout", "5"], "--timeout"),
        (&["plugins", "--admin", "127.0.0.1:9090"], "is not a URL such as http://"),
        (&["plugins", "--admin", "https://127.0.0.1:9090"], "does not begin with http://"),
        (&["demo", "--listen", "nowhere"], "--listen"),
        (&["plugin", "nobody"], "no plugin has this name"),
    ] {
        let said = Program::start(args).ends().await.failed(2);
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let (nobody, _) = crate::support::ports();
    let url = format!("http://{nobody}");
    for command in [&["call", "x"][..], &["status"], &["plugins"], &["health"], &["drain", "x"], &["enable", "x"]] {
        let args = command.iter().copied().chain(["--url", &url, "--admin", &url]);
        let said = Program::start(args).ends().await.failed(1);
        assert!(
            said.contains(&format!("no gateway answers at {nobody}")) && said.contains("plugin-manager run"),
            "{said}"
        );
    }
}
