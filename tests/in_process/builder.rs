//! The four builders: what each sets, what each setter changes, and what `auto` finds in real directories.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{BoxPlugin, Call, Code, CodeKind, Plugin, PluginError, Reply, clock};
use plugin_manager::{
    builder::{self, AutoBuilder, Builder, Built},
    config::{self, LogFormat, PluginConfig},
    launch::{Factories, StartError},
};
use plugin_transports::process::{ProcessEvent, ProcessState};
use tokio::sync::broadcast::error::RecvError;
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);
/// For what starts processes, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

fn echo() -> impl Plugin<Bytes, Bytes> {
    service_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) })
}

fn hang() -> impl Plugin<Bytes, Bytes> {
    service_fn(|_: Call<Bytes>| std::future::pending::<Result<Reply<Bytes>, PluginError>>())
}

/// How long a call of a plugin called `hang` takes, on the paused clock.
async fn time_of_a_call(built: Built) -> Duration {
    let start = clock::now();
    let error = built.manager().execute("hang", "1".into()).await.expect_err("it never answers");
    assert_eq!(error.kind(), CodeKind::Timeout, "{error}");
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn each_builder_has_its_timeout_and_with_timeout_changes_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let auto = || builder::auto().with_directory(dir.path()).with_plugin("hang", hang());
    for (seconds, made) in [(30, builder::simple()), (60, builder::development()), (10, builder::production())] {
        let took = time_of_a_call(made.with_plugin("hang", hang()).build().await.expect("built")).await;
        assert_eq!(took.as_secs(), seconds);
    }
    assert_eq!(time_of_a_call(auto().build().await.expect("built")).await.as_secs(), 30);
    for made in [builder::simple(), builder::development(), builder::production()] {
        let built = made.with_timeout(7 * SECOND).with_plugin("hang", hang()).build().await.expect("built");
        assert_eq!(time_of_a_call(built).await.as_secs(), 7);
    }
    assert_eq!(time_of_a_call(auto().with_timeout(7 * SECOND).build().await.expect("built")).await.as_secs(), 7);
}

#[tokio::test]
async fn metrics_are_on_in_production_and_with_metrics_changes_that() {
    let dir = tempfile::tempdir().expect("a directory");
    let count = async |builder: Builder| {
        let built = builder.with_plugin("echo", echo()).build().await.expect("built");
        assert_eq!(built.manager().execute("echo", "[1]".into()).await.expect("a reply").payload(), "[1]");
        assert_eq!(built.metrics().is_some(), built.scrape().is_some());
        built.scrape()
    };
    let counted = r#"plugin_requests_total{plugin="echo",status="success"} 1"#;
    assert!(count(builder::production()).await.expect("on").contains(counted));
    assert!(count(builder::simple().with_metrics(true)).await.expect("on").contains(counted));
    for off in [builder::simple(), builder::development(), builder::production().with_metrics(false)] {
        assert_eq!(count(off).await, None);
    }
    let auto = || builder::auto().with_directory(dir.path()).with_plugin("echo", echo());
    assert_eq!(auto().build().await.expect("built").scrape(), None);
    assert!(auto().with_metrics(true).build().await.expect("built").scrape().expect("on").contains("plugin=\"echo\""));
}

/// The log belongs to the process, so each builder gets a process of its own: this test, told by a variable what to do.
#[test]
fn each_builder_logs_as_it_says() {
    const CHILD: &str = "BUILDER_LOGS_AS";
    let name = "builder::each_builder_logs_as_it_says";
    if let Ok(which) = std::env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let builder = match which.as_str() {
            "simple" => builder::simple(),
            "development" => builder::development(),
            "production" => builder::production(),
            _ => builder::simple().with_logging("warn", LogFormat::Text),
        };
        let built = runtime.block_on(builder.with_plugin("echo", echo()).build());
        assert!(built.is_ok());
        tracing::debug!("a line at debug");
        tracing::warn!("a line at warn");
        return;
    }
    let log_of = |which: &str| {
        let this = std::env::current_exe().expect("a program");
        let child = Command::new(this).args(["--exact", name, "--nocapture"]).env(CHILD, which).output();
        let child = child.expect("started");
        assert!(child.status.success(), "{child:?}");
        String::from_utf8(child.stderr).expect("text")
    };
    assert!(!log_of("simple").contains("a line at"), "the log is the application's");
    let text = log_of("development");
    assert!(text.contains("a line at debug") && text.contains("registered"), "{text}");
    assert!(text.lines().all(|line| !line.starts_with('{')), "{text}");
    let json = log_of("production");
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    assert!(lines.iter().any(|line| line["message"] == "registered" && line["plugin"] == "echo"), "{json}");
    assert!(!json.contains("a line at debug") && json.contains("a line at warn"), "{json}");
    let set = log_of("with_logging");
    assert!(set.contains("a line at warn") && !set.contains("registered"), "{set}");
}

fn refused(result: Result<Built, StartError>) -> String {
    result.map(|_| ()).expect_err("refused").to_string()
}

#[tokio::test]
async fn every_fault_is_told_before_anything_starts() {
    let faults = refused(
        builder::simple()
            .with_plugin("echo", echo())
            .with_plugin("echo", echo())
            .with_plugin("a/b", echo())
            .with_timeout(Duration::ZERO)
            .build()
            .await,
    );
    for told in ["timeout must be longer than zero", "the name is used twice", "must not contain '/'"] {
        assert!(faults.contains(told), "{told}: {faults}");
    }
}

fn in_process(name: &str, timeout: &str) -> PluginConfig {
    let text = format!("plugins: [{{name: {name}, type: hang, transport: inproc, timeout: {timeout}}}]");
    config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid").plugins()[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_plugin_with_a_configuration_keeps_its_timeout_and_is_made_by_a_factory() {
    let factories = Factories::new().with_plugin("hang", BoxPlugin::new(hang()));
    let built = builder::production().with_config(in_process("hang", "3s")).with_factories(factories).build().await;
    assert_eq!(time_of_a_call(built.expect("built")).await.as_secs(), 3);
    let faults = refused(builder::simple().with_config(in_process("hang", "3s")).build().await);
    assert!(faults.contains("no plugin of type \"hang\""), "{faults}");
    let twice = builder::simple().with_plugin("hang", hang()).with_config(in_process("hang", "3s")).build().await;
    assert_eq!(twice.expect_err("twice").faults()[0].code(), Code::DuplicateName);
}

/// Answers `execute` with a word, and nothing else.
const SHELL: &str = r#"#!/bin/sh
while read -r line; do
  id=$(printf '%s' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  case "$line" in
    *'"method":"execute"'*) echo "{\"id\":\"$id\",\"result\":\"from sh\"}" ;;
    *) echo "{\"id\":\"$id\",\"error\":\"only execute\"}" ;;
  esac
done
"#;

const PYTHON: &str = r#"#!/usr/bin/env python3
import json, sys

for line in sys.stdin:
    request = json.loads(line)
    reply = {"result": request["payload"]} if request["method"] == "execute" else {"error": "only execute"}
    print(json.dumps({"id": request["id"], **reply}), flush=True)
"#;

/// Writes a file that nobody executes.
fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(&path, text).expect("written");
    path
}

/// Writes a program. Another process does it: a file that this one has open for writing cannot be executed, and a child
/// that another test starts at that moment would keep it open.
fn program(dir: &Path, name: &str, text: &str) -> PathBuf {
    let draft = write(dir, &format!("{name}.draft"), text);
    let path = dir.join(name);
    let installed = Command::new("install").args(["-m", "755"]).arg(&draft).arg(&path).status();
    assert!(installed.expect("install is there").success());
    fs::remove_file(draft).expect("removed");
    path
}

async fn build(builder: AutoBuilder) -> Built {
    tokio::time::timeout(LIMIT, builder.build()).await.expect("in time").unwrap_or_else(|faults| panic!("{faults}"))
}

fn names(built: &Built) -> Vec<String> {
    built.manager().list().into_iter().map(|view| view.name).collect()
}

async fn names_of(builder: AutoBuilder) -> Vec<String> {
    let built = build(builder).await;
    let names = names(&built);
    stop(built).await;
    names
}

async fn stop(built: Built) {
    for report in built.shutdown(LIMIT).await {
        assert!(report.is_clean(), "{report:?}");
    }
}

#[tokio::test]
async fn auto_runs_the_executables_and_the_manifests_of_a_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    program(dir.path(), "shell.sh", SHELL);
    program(dir.path(), "deeper/echo.v2.py", PYTHON);
    program(dir.path(), "bin/worker", PYTHON);
    let manifest = "{name: described, transport: exec, executable: bin/worker, version: 1.4.0, labels: {team: a}}";
    write(dir.path(), "worker.plugin.yaml", manifest);
    write(dir.path(), "notes.txt", "not executable");
    program(dir.path(), ".hidden", SHELL);

    let built = build(builder::auto().with_directory(dir.path()).with_plugin("here", echo())).await;
    assert_eq!(names(&built), ["described", "echo.v2", "here", "shell"], "the worker is the manifest's");
    let call = async |name: &str| {
        let reply = tokio::time::timeout(LIMIT, built.manager().execute(name, r#"{"a":1}"#.into())).await;
        let payload = reply.expect("in time").unwrap_or_else(|error| panic!("{error}")).into_payload();
        serde_json::from_slice::<serde_json::Value>(&payload).expect("JSON")
    };
    assert_eq!(call("shell").await, "from sh");
    assert_eq!(call("echo.v2").await["a"], 1);
    assert_eq!(call("described").await["a"], 1);
    let info = built.manager().get("described").expect("registered").info;
    assert_eq!((info.version.as_str(), info.metadata["team"].as_str()), ("1.4.0", "a"));
    let process = built.process("shell").expect("a process").clone();
    assert!(process.pid().is_some());
    stop(built).await;
    assert_eq!(process.pid(), None, "shutdown stops the process");
}

#[tokio::test]
async fn dropping_what_was_built_stops_its_processes_in_a_program_that_lives_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let worker = program(dir.path(), "worker", PYTHON);
    let text = format!("plugins: [{{name: worker, transport: exec, executable: {}}}]", worker.display());
    let config = config::from_text(Path::new("g.yaml"), &text, None, &|_| None).expect("valid").plugins()[0].clone();
    let built = tokio::time::timeout(LIMIT, builder::simple().with_config(config).build()).await.expect("in time");
    let built = built.unwrap_or_else(|faults| panic!("{faults}"));
    let reply = tokio::time::timeout(LIMIT, built.manager().execute("worker", "1".into())).await.expect("in time");
    assert_eq!(reply.expect("a reply").payload(), "1");
    let view = built.manager().get("worker").expect("registered");
    assert!(view.controls.breaker.is_some() && !view.controls.health_checks.is_empty(), "all that follows it is on");
    drop(view);

    let process = built.process("worker").expect("a process");
    let mut events = process.events();
    drop(built);
    let stopped = async { while !matches!(events.recv().await, Ok(ProcessEvent::Stopped) | Err(RecvError::Closed)) {} };
    tokio::time::timeout(LIMIT / 4, stopped).await.expect("nobody holds it any more");
    assert_eq!((process.state(), process.pid()), (ProcessState::Stopped, None));
}

#[tokio::test]
async fn patterns_depth_and_filter_say_what_auto_takes() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["a.py", "b.sh", "1/c.py", "1/2/3/4/e.py", "1/2/3/4/5/f.py"] {
        program(dir.path(), name, SHELL);
    }
    let auto = || builder::auto().with_directory(dir.path());
    assert_eq!(names_of(auto()).await, ["a", "b", "c", "e"], "five deep, the directory itself counted");
    assert_eq!(names_of(auto().with_max_depth(6)).await, ["a", "b", "c", "e", "f"]);
    assert_eq!(names_of(auto().with_max_depth(1)).await, ["a", "b"]);
    assert_eq!(names_of(auto().with_pattern("*.py")).await, ["a", "c", "e"]);
    assert_eq!(names_of(auto().with_pattern("[a]*").with_pattern("?.sh")).await, ["a", "b"]);
    let not_c = |path: &Path| path.file_stem().is_some_and(|stem| stem != "c");
    assert_eq!(names_of(auto().with_filter(not_c).with_max_depth(2)).await, ["a", "b"]);
    let two = builder::auto().with_directory(dir.path().join("1/2/3/4/5")).with_directory(dir.path().join("1/2/3/4"));
    assert_eq!(names_of(two).await, ["e", "f"], "what is found twice counts once");
}

#[tokio::test]
async fn auto_does_not_leave_the_directory_and_leaves_out_what_it_cannot_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("another directory");
    program(outside.path(), "stranger", SHELL);
    program(dir.path(), "good", SHELL);
    symlink(outside.path().join("stranger"), dir.path().join("stranger")).expect("linked");
    symlink(outside.path(), dir.path().join("elsewhere")).expect("linked");
    symlink("nowhere", dir.path().join("dangling")).expect("linked");
    symlink("round.plugin.yaml", dir.path().join("round.plugin.yaml")).expect("linked");
    symlink("..", dir.path().join("up")).expect("linked");
    assert_eq!(names_of(builder::auto().with_directory(dir.path())).await, ["good"]);
}

#[tokio::test]
async fn a_name_that_two_files_have_is_an_error_that_names_both() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, second) = (program(dir.path(), "a/tool.py", PYTHON), program(dir.path(), "b/tool.sh", SHELL));
    let faults = refused(builder::auto().with_directory(dir.path()).build().await);
    let place = |path: PathBuf| path.canonicalize().expect("there").display().to_string();
    let (first, second) = (place(first), place(second));
    assert!(faults.contains(&format!("used twice: by {first} and by {second}")), "{faults}");
}

/// Names in which something does not show, or which have letters in parts, whatever way they come in.
const ALIKE: [(&str, &str); 3] = [
    ("pay\u{200b}ment", "U+200B, which does not show"),
    ("pay\u{202e}tnem", "U+202E, which does not show"),
    ("cafe\u{301}", "has letters in parts"),
];

#[tokio::test]
async fn a_name_that_looks_like_another_comes_in_by_no_builder_and_no_directory() {
    for (name, says) in ALIKE {
        for builder in [builder::simple(), builder::development(), builder::production()] {
            let faults = refused(builder.with_plugin(name, echo()).build().await);
            assert!(faults.contains(says) && faults.contains("PLUGIN_1001"), "{name:?}: {faults}");
        }
        let dir = tempfile::tempdir().expect("a directory");
        program(dir.path(), &format!("{name}.sh"), SHELL);
        let faults = refused(builder::auto().with_directory(dir.path()).build().await);
        assert!(faults.contains(says) && faults.contains("PLUGIN_1001"), "an executable {name:?}: {faults}");
        let dir = tempfile::tempdir().expect("a directory");
        let manifest = format!("{{name: \"{name}\", transport: exec, executable: sh}}");
        write(dir.path(), "a.plugin.yaml", &manifest);
        let faults = refused(builder::auto().with_directory(dir.path()).build().await);
        assert!(faults.contains(says) && faults.contains("PLUGIN_1001"), "a manifest {name:?}: {faults}");
    }
}

#[tokio::test]
async fn a_manifest_is_held_to_the_keys_of_a_configuration() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "a.plugin.yaml", "{name: a, transport: exec, executabel: ./a}");
    write(dir.path(), "b.plugin.json", r#"{"name": "b", "transport": "carrier pigeon"}"#);
    write(dir.path(), "c.plugin.toml", "name = ");
    let faults = refused(builder::auto().with_directory(dir.path()).build().await);
    for told in
        ["a.plugin.yaml:1:28", "did you mean \"executable\"", "b.plugin.json:1:28", "PLUGIN_1002", "c.plugin.toml:1:8"]
    {
        assert!(faults.contains(told), "{told}: {faults}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_manifest_without_a_timeout_gets_that_of_the_builder() {
    let factories = || Factories::new().with_plugin("hang", BoxPlugin::new(hang()));
    for (text, seconds) in [("name = \"hang\"", 20), ("name = \"hang\"\ntimeout = \"3s\"", 3)] {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "hang.plugin.toml", &format!("{text}\ntype = \"hang\"\ntransport = \"inproc\"\n"));
        let auto = builder::auto().with_directory(dir.path()).with_factories(factories()).with_timeout(20 * SECOND);
        assert_eq!(time_of_a_call(auto.build().await.expect("built")).await.as_secs(), seconds);
    }
}

#[tokio::test]
async fn an_executable_that_never_answers_is_given_up_at_the_timeout() {
    let dir = tempfile::tempdir().expect("a directory");
    program(dir.path(), "mute.sh", &SHELL.replace("from sh\\\"}\"", "\" > /dev/null"));
    let built = build(builder::auto().with_directory(dir.path()).with_timeout(Duration::from_millis(300))).await;
    let call = tokio::time::timeout(LIMIT, built.manager().execute("mute", "1".into())).await;
    assert_eq!(call.expect("far below the default").expect_err("no answer").kind(), CodeKind::Timeout);
    stop(built).await;
}

#[tokio::test]
async fn what_auto_cannot_search_is_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = write(dir.path(), "file", "");
    let auto = || builder::auto().with_directory(dir.path());
    for (builder, told) in [
        (builder::auto(), "with_directory"),
        (auto().with_directory(dir.path().join("missing")), "missing cannot be searched"),
        (auto().with_directory(file), "is a file"),
        (auto().with_max_depth(0), "depth must be at least 1"),
        (auto().with_pattern("[a"), "\"[a\""),
        (auto().with_pattern("bin/*"), "name of a file"),
        (auto().with_timeout(Duration::ZERO), "timeout must be longer than zero"),
    ] {
        let faults = refused(builder.build().await);
        assert!(faults.contains(told), "{told}: {faults}");
    }
}
