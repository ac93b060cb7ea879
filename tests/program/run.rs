//! `run` with the same gateway in each syntax: a subprocess in Python, and a plugin over HTTP that wants a token.

use std::{net::SocketAddr, path::Path};

use plugin_core::{Call, PluginError, Reply};
use plugin_transports::{
    auth::Verifier,
    http::{ServerOptions, serve},
    listen::Serving,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Gateway, Signal, children, example, gateway, get, state};

const TOKEN: &str = "letmein";

/// A plugin of another program: it turns a text round, for those who have the token.
async fn reverse() -> Serving {
    let plugin =
        plugin_transports::json::serve(plugin_transports::inproc::plugin_fn(|call: Call<String>| async move {
            Ok::<_, PluginError>(Reply::new(call.into_payload().chars().rev().collect::<String>()))
        }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let verifier = Verifier::new().with_bearer("gateway", TOKEN);
    serve(plugin, listener, ServerOptions::new().with_verifier(verifier)).expect("it serves")
}

/// What the three gateways have in common.
async fn serves(gateway: Gateway, web: Serving) {
    assert_eq!(gateway.command(&["call", "greeter", "\"you\""]).await.worked(), "\"hello you\"\n");
    assert_eq!(gateway.command(&["call", "reverse", "\"you\""]).await.worked(), "\"uoy\"\n");
    let said = gateway.command(&["call", "stranger", "\"you\""]).await.failed(1);
    assert!(said.contains("stranger: the plugin asks for credentials, and `auth` has none"), "{said}");
    let plugins = get(gateway.admin, "/admin/v1/plugins").await.json();
    let told: Vec<_> = plugins.as_array().expect("a list").iter().map(|p| (&p["name"], &p["transport"])).collect();
    let (exec, http) = (json!("exec"), json!("http"));
    let expected = [(&json!("greeter"), &exec), (&json!("reverse"), &http), (&json!("stranger"), &http)];
    assert_eq!(told, expected, "{plugins:#}");
    assert_eq!(get(gateway.admin, "/readyz").await.text(), "ready\n");

    let greeter = children(gateway.program.pid());
    assert_eq!(greeter.len(), 1);
    gateway.program.signal(Signal::TERM);
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().next().map(|line| line.starts_with("serving 3 plugins at")), Some(true));
    assert_eq!(state(greeter[0]), None);
    web.shutdown(std::time::Duration::from_secs(1)).await.expect("nobody calls it");
}

async fn served(name: &str, write: impl Fn(SocketAddr, SocketAddr, &str, SocketAddr) -> String) {
    let dir = tempfile::tempdir().expect("a directory");
    let web = reverse().await;
    let greeter = example("plugins/greeter.py");
    let file = dir.path().join(Path::new(name));
    let gateway = gateway(&file, &[], |data, admin| write(data, admin, &greeter, web.local_addr())).await;
    serves(gateway, web).await;
}

#[tokio::test]
async fn a_gateway_from_yaml() {
    served("gateway.yaml", |data, admin, greeter, web| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: greeter
    transport: exec
    executable: python3
    args: ['{greeter}']
  - name: reverse
    transport: http
    endpoint: http://{web}/
    auth: {{method: bearer, token: {TOKEN}}}
  - name: stranger
    transport: http
    endpoint: http://{web}/
    retry: {{max_retries: 0}}
"
        )
    })
    .await;
}

#[tokio::test]
async fn a_gateway_from_json() {
    served("gateway.json", |data, admin, greeter, web| {
        let document = json!({
            "server": {"listen": data},
            "admin": {"listen": admin},
            "plugins": [
                {"name": "greeter", "transport": "exec", "executable": "python3", "args": [greeter]},
                {
                    "name": "reverse",
                    "transport": "http",
                    "endpoint": format!("http://{web}/"),
                    "auth": {"method": "bearer", "token": TOKEN},
                    "timeout": 10_000_000_000_u64,
                },
                {
                    "name": "stranger",
                    "transport": "http",
                    "endpoint": format!("http://{web}/"),
                    "retry": {"max_retries": 0},
                },
            ],
        });
        document.to_string()
    })
    .await;
}

#[tokio::test]
async fn a_gateway_from_toml() {
    served("gateway.toml", |data, admin, greeter, web| {
        format!(
            "
server.listen = '{data}'
admin.listen = '{admin}'

[[plugins]]
name = 'greeter'
transport = 'exec'
executable = 'python3'
args = ['{greeter}']

[[plugins]]
name = 'reverse'
transport = 'http'
endpoint = 'http://{web}/'
auth = {{ method = 'bearer', token = '{TOKEN}' }}

[[plugins]]
name = 'stranger'
transport = 'http'
endpoint = 'http://{web}/'
retry.max_retries = 0
"
        )
    })
    .await;
}
