//! Good configurations whose gateway cannot start: who, why, exit code 1, and nothing left running.

use std::{net::TcpListener, path::Path};

use crate::support::{none_running, ports, run};

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
    assert!(said.contains("was not ready within the start timeout of 1s (PLUGIN_1205)"), "{said}");
}

#[tokio::test]
async fn a_plugin_that_prints_garbage_is_no_plugin() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = start(dir.path(), "while :; do echo garbage; done").await;
    assert!(said.contains("wrote 16 lines in a row to stdout that are not replies"), "{said}");
    assert!(said.contains("line=garbage") && said.contains("PLUGIN_1205"), "{said}");
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
  - {{name: first, transport: exec, executable: sh, args: [-c, 'exit 3']}}
  - {{name: second, transport: exec, executable: sh, args: [-c, 'exit 4']}}
  - {{name: third, transport: inproc, type: nothing}}
",
        echo = crate::support::example("plugins/echo.py")
    );
    std::fs::write(&file, text).expect("written");
    let said = run(&["run"], &file).await.failed(1);
    assert!(said.contains("registered plugin=\"good\""), "it was started first: {said}");
    for line in [
        "plugin \"first\": the process exited with status 3 before it was ready (PLUGIN_1205)",
        "plugin \"second\": the process exited with status 4 before it was ready (PLUGIN_1205)",
        "plugin \"third\": this program has no plugin of type \"nothing\"",
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
