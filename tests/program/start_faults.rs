//! Good configurations whose gateway cannot start: who, why, exit code 1, and nothing left running.

use std::{net::TcpListener, path::Path};

use crate::support::{Client, gateway, get, none_running, ports, post, run, until};

/// Runs a gateway with one subprocess, a shell that does this, and gives back what it said when it failed.
async fn start(dir: &Path, script: &str) -> String {
    let (data, admin) = ports();
    let file = dir.join("gateway.yaml");
    let text = format!(
        "server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: broken
    transport: exec
    executable: sh
    args: [-c, '{script}', {mark}]
    connection: {{connection_timeout: 1s}}
    required: true
",
        mark = mark(dir)
    );
    std::fs::write(&file, text).expect("written");
    let said = run(&["run"], &file).await.failed(1);
    assert!(said.contains("plugin-manager: plugin \"broken\": "), "{said}");
    none_running(&mark(dir));
    said
}

/// What only processes of this test have in their command line.
fn mark(dir: &Path) -> String {
    format!("mark-{}", dir.file_name().expect("a name").to_str().expect("text"))
}

#[tokio::test]
async fn a_plugin_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = start(dir.path(), "while :; do sleep 1; done").await;
    let expected = "was not ready within the start timeout of 1s: it has not answered `info`, and nothing came on its stdout \
                    (does it flush after each line?) (PLUGIN_1205)";
    assert!(said.contains(expected), "{said}");
    let said = start(dir.path(), "echo Loading model; while :; do sleep 1; done").await;
    assert!(said.contains("what came on its stdout is no answer (1 line; its log belongs on stderr)"), "{said}");
}

#[tokio::test]
async fn a_plugin_that_prints_garbage_is_no_plugin() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = start(dir.path(), "while :; do echo garbage; done").await;
    assert!(said.contains("wrote 16 lines in a row to stdout that are not replies"), "{said}");
    assert!(said.contains("line=\"garbage\"") && said.contains("PLUGIN_1205"), "{said}");
}

#[tokio::test]
async fn a_plugin_that_exits_at_once_says_its_last_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = start(dir.path(), "echo no database >&2; exit 7").await;
    assert!(said.contains("the process exited with status 7 before it was ready (PLUGIN_1205)"), "{said}");
    assert!(said.contains("the end of its stderr:\n  no database\n"), "{said}");
}

#[tokio::test]
async fn every_plugin_that_does_not_start_is_named_and_those_that_did_are_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, mark) = (dir.path().join("gateway.yaml"), mark(dir.path()));
    let (data, admin) = ports();
    let text = format!(
        "server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: good, transport: exec, executable: python3, args: ['{echo}', {mark}], priority: 1}}
  - {{name: first, transport: exec, executable: sh, args: [-c, 'exit 3'], required: true}}
  - {{name: second, transport: exec, executable: sh, args: [-c, 'exit 4'], required: true}}
",
        echo = crate::support::example("plugins/echo.py")
    );
    std::fs::write(&file, text).expect("written");
    let said = run(&["run"], &file).await.failed(1);
    let started = |line: &str| line.contains(" started in ") && line.contains("plugin=\"good\"");
    assert!(said.lines().any(started), "it was started first: {said}");
    for line in [
        "plugin \"first\": the process exited with status 3 before it was ready (PLUGIN_1205)",
        "plugin \"second\": the process exited with status 4 before it was ready (PLUGIN_1205)",
    ] {
        assert_eq!(said.matches(line).count(), 1, "{line}\n{said}");
    }
    none_running(&mark);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_key_before_a_plugin_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, started) = (dir.path().join("gateway.yaml"), dir.path().join("started"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
    let (_, free) = ports();
    for (data, admin, key) in [(taken.1, free, "server.listen"), (free, taken.1, "admin.listen")] {
        let text = format!(
            "server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\nplugins:\n  - {{name: a, transport: exec, \
             executable: sh, args: [-c, 'touch {}']}}\n",
            started.display()
        );
        std::fs::write(&file, text).expect("written");
        let said = run(&["run"], &file).await.failed(1);
        assert!(said.contains(&format!("`{key}`: {} is in use by another process", taken.1)), "{said}");
        assert!(!started.exists(), "a plugin was started");
    }
}

/// One that did not start used to take all others with it.
#[tokio::test]
async fn a_plugin_that_does_not_start_stops_no_other_and_comes_when_it_can() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "test -e database || { echo no database >&2; exit 7; }; exec python3 \"$0\"";
    let echo = crate::support::example("plugins/echo.py");
    let plugin = "
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    result = {'version': '1.0.0', 'description': 'comes late'} if request['method'] == 'info' else request['payload']
    print(json.dumps({'id': request['id'], 'result': result}), flush=True)
";
    std::fs::write(dir.path().join("late.py"), plugin).expect("written");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: late
    transport: exec
    executable: sh
    args: [-c, '{script}', late.py]
    work_dir: '{}'
    restart: {{initial: 10ms, max: 50ms}}
    retry: {{max_retries: 0}}
  - {{name: steady, transport: exec, executable: python3, args: ['{echo}']}}
",
            dir.path().display()
        )
    })
    .await;
    let fault = "plugin \"late\": the process exited with status 7 before it was ready (PLUGIN_1205)";
    gateway.program.logs(&[fault, "the end of its stderr:\n  no database\n"]).await;
    assert_eq!(post(gateway.data, "steady", "1").await.text(), "1");
    let state = async || {
        let plugin = get(gateway.admin, "/admin/v1/plugins/late").await.json();
        plugin["state"].as_str().expect("text").to_owned()
    };
    until("it was tried too often", async || (state().await == "failed").then_some(())).await;
    let refused = post(gateway.data, "late", "1").await;
    assert_eq!(refused.problem(), (503, "LIFECYCLE_2103".to_owned()));
    let health = gateway.command(&["health"]).await;
    assert!(health.stdout.contains("could not be started") && health.stdout.contains("status 7"), "{health:?}");
    let ready = get(gateway.admin, "/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.text()), (200, "ready\n"), "nobody was to wait for it");
    std::fs::write(dir.path().join("database"), "").expect("written");
    until("it serves", async || Client::new().call(gateway.data, "late", "1").await?.status.is_success().then_some(()))
        .await;
    assert_eq!(state().await, "serving");
    // The first start is no restart, and failed all the same; what it says of itself came with it.
    let plugin = get(gateway.admin, "/admin/v1/plugins/late").await.json();
    let (restarts, failed) = (plugin["restarts"].as_u64(), plugin["failed_starts"].as_u64());
    assert!(restarts.is_some() && restarts == failed, "{plugin:#}");
    assert_eq!((&plugin["version"], &plugin["description"]), (&"1.0.0".into(), &"comes late".into()), "{plugin:#}");
}
