//! Secrets of a configuration show up nowhere: not in the log of a whole run, not in metrics, not in any answer.

use plugin_core::{Call, PluginError, Reply};
use plugin_transports::{
    auth::Verifier,
    http::{ServerOptions, serve},
    inproc::plugin_fn,
    json,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Program, Signal, children, gateway, get, kill, post, until};

/// Each is a part of no other.
const SECRETS: [&str; 8] = [
    "s3cret-of-a-client",
    "s3cret-of-an-operator",
    "s3cret-in-a-variable",
    "s3cret-in-a-file",
    "s3cret-in-a-header",
    "s3cret-of-a-process",
    "s3cret-among-options",
    "s3cret-that-is-wrong",
];

/// A plugin that says whether it was given its secrets, and nothing else.
const WORKER: &str = "
import json, os, sys
options = json.loads(os.environ.get('PLUGIN_OPTIONS', '{}'))
given = options.get('api_key') == 's3cret-among-options' and os.environ.get('DB_PASSWORD') == 's3cret-of-a-process'
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] != 'execute':
        reply = {'error': 'unknown method'}
    else:
        reply = {'result': given}
    print(json.dumps({'id': request['id'], **reply}), flush=True)
";

#[track_caller]
fn hides(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} shows in {what}:\n{text}");
    }
}

#[tokio::test]
async fn no_secret_is_printed_logged_or_served() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("worker.py"), WORKER).expect("written");
    std::fs::write(dir.path().join("token"), "s3cret-in-a-file\n").expect("written");
    // It answers those who show one of its secrets.
    let plugin = json::serve(plugin_fn(|_: Call<Value>| async move { Ok::<_, PluginError>(Reply::new(true)) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let verifier = Verifier::new().with_bearer("gateway", "s3cret-in-a-variable");
    let verifier = verifier.with_api_key("other", "s3cret-in-a-header");
    let web = serve(plugin, listener, ServerOptions::new().with_verifier(verifier)).expect("it serves");
    let address = web.local_addr();
    let file = dir.path().join("gateway.yaml");
    let env = [("WEB_TOKEN", "s3cret-in-a-variable")];
    let gateway = gateway(&file, &env, |data, admin| {
        format!(
            "
log_level: trace
server: {{listen: '{data}', auth: [{{name: ci, method: bearer, token: s3cret-of-a-client}}]}}
admin:
  listen: '{admin}'
  tokens:
    - {{name: sre, token: s3cret-of-an-operator, role: operate}}
    - {{name: viewer, token: 'file:token'}}
plugins:
  - name: web
    transport: http
    endpoint: http://{address}/
    auth: {{method: bearer, token: '${{WEB_TOKEN}}'}}
  - name: header
    transport: http
    endpoint: http://{address}/
    auth: {{method: custom, headers: {{X-API-Key: s3cret-in-a-header}}}}
  - name: refused
    transport: http
    endpoint: http://{address}/
    auth: {{method: basic, username: me, password: s3cret-that-is-wrong}}
    retry: {{max_retries: 0}}
  - name: worker
    transport: exec
    executable: python3
    args: [worker.py]
    work_dir: .
    env: {{DB_PASSWORD: s3cret-of-a-process}}
    options: {{api_key: s3cret-among-options}}
"
        )
    })
    .await;

    let client = ["--token", "s3cret-of-a-client"];
    for (plugin, code) in [("web", 0), ("header", 0), ("worker", 0), ("refused", 1)] {
        let ended = gateway.command(&[&["call", plugin, "1"][..], &client].concat()).await;
        assert_eq!(ended.code(), Some(code), "{ended:?}");
        if code == 0 {
            assert_eq!(ended.stdout, "true\n", "{plugin} was given its secrets");
        }
        hides("the output of call", &format!("{ended:?}"));
    }
    hides("a refusal", post(gateway.data, "web", "1").await.text());
    let wrong = gateway.command(&["call", "web", "--token", "s3cret-that-is-wrong"]).await.failed(1);
    hides("a refusal", &wrong);

    kill(children(gateway.program.pid())[0]);
    let operator = [("PLUGIN_MANAGER_TOKEN", "s3cret-of-an-operator")];
    until("it is started again", async || {
        let plugins = gateway.command_with(&["plugins", "--json"], &operator, "").await.worked();
        hides("the list of plugins", &plugins);
        let plugins: Value = serde_json::from_str(&plugins).expect("JSON");
        (plugins[3]["restarts"] == 1).then_some(())
    })
    .await;
    for command in [&["status"][..], &["plugins"], &["health"], &["drain", "worker"], &["--help"], &["call", "--help"]]
    {
        let ended = gateway.command_with(command, &operator, "").await;
        hides(&format!("{command:?}"), &format!("{ended:?}"));
    }
    for path in ["/metrics", "/health", "/admin/v1/plugins", "/elsewhere"] {
        hides(path, get(gateway.admin, path).await.text());
    }

    let file = file.to_str().expect("text");
    let shown = Program::start_with(["config", "show", "--config", file], &env, "").ends().await.worked();
    hides("config show", &shown);
    assert!(shown.contains("DB_PASSWORD: \"***\"") && shown.contains("file:token"), "{shown}");
    let said = Program::start(["run", "--config", file]).ends().await.failed(2);
    assert!(said.contains("the environment variable \"WEB_TOKEN\" is not set"), "{said}");
    hides("a fault", &said);

    gateway.program.signal(Signal::TERM);
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("DEBUG") && ended.stderr.contains("killed by signal 9"), "{ended:?}");
    hides("the log", &ended.stdout);
    hides("the log", &ended.stderr);
}
