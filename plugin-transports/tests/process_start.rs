//! How a plugin's process is started: what it is given, what it may do, and what a failed start says.

mod support;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, time::Duration};

use plugin_core::{Code, HealthState, PluginError};
use plugin_transports::process::{ProcessConfig, ResourceLimits};
use serde_json::{Map, Value, json};
use support::{call, fixture, in_repository, millis, start, start_error};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

async fn missing(executable: impl Into<std::path::PathBuf>) -> String {
    let error = start_error(ProcessConfig::builder("absent", executable)).await;
    assert_eq!((error.code(), error.is_retryable()), (Code::MissingExecutable, false));
    error.to_string()
}

#[tokio::test]
async fn an_executable_that_cannot_be_executed_is_named_and_so_is_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, mode: u32, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        path
    };
    let absent = missing(dir.path().join("absent")).await;
    assert!(absent.contains("absent\" does not exist") && absent.contains("PLUGIN_1007"), "{absent}");
    assert!(missing(dir.path()).await.contains("is a directory"));
    assert!(missing(file("plain", 0o644, "text")).await.contains("is not executable; chmod +x"));
    assert!(missing(file("script", 0o755, "#!/no/such/interpreter\n")).await.contains("not the interpreter"));
    assert!(missing(file("file", 0o755, "").join("below")).await.contains("has a file where a directory must be"));
    assert!(missing("no-such-program-anywhere").await.contains("PATH"));
}

/// The host may have been started with more than three, or have opened some in another language.
#[tokio::test]
async fn a_process_has_no_descriptor_of_its_host_but_the_three_streams_that_it_was_given() {
    let dir = tempfile::tempdir().expect("a directory");
    let passed_on = fs::File::create(dir.path().join("lock")).expect("created");
    rustix::io::fcntl_setfd(&passed_on, rustix::io::FdFlags::empty()).expect("it is open");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).expect("it is open");
    let instance = start(fixture(&["mute"])).await;
    let pid = instance.service().handle().pid().expect("running");
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("ours").flatten();
    let links = open.map(|entry| {
        let link = fs::read_link(entry.path()).expect("open").to_string_lossy().into_owned();
        (entry.file_name().to_string_lossy().into_owned(), link)
    });
    let links: BTreeMap<_, _> = links.collect();
    assert_eq!(links.keys().collect::<Vec<_>>(), ["0", "1", "2"], "{links:?}");
    assert!(links.values().all(|link| link.starts_with("pipe:")), "{links:?}");
    drop((passed_on, listener));
}

#[tokio::test]
async fn a_work_dir_that_is_not_there_is_named() {
    let error = start_error(fixture(&["obliging"]).with_work_dir("/no/such/directory")).await;
    assert_eq!(error.code(), Code::ConfigValue);
    assert!(error.message().contains("the work_dir \"/no/such/directory\" does not exist"), "{error}");
}

#[tokio::test]
async fn a_process_that_ends_before_it_is_ready_says_its_status_and_its_last_words() {
    let error = start_error(fixture(&["crash"])).await;
    assert_eq!(error.code(), Code::ConnectionFailed);
    assert!(error.message().contains("exited with status 3 before it was ready"), "{error}");
    assert!(error.detail().expect("a detail").contains("no database at db.example:5432"));
}

#[tokio::test]
async fn a_process_that_never_answers_is_given_up_after_the_start_timeout() {
    let error = start_error(fixture(&["silent"]).with_start_timeout(Duration::from_millis(200))).await;
    assert_eq!(error.code(), Code::ConnectionFailed);
    let expected = "the plugin was not ready within the start timeout of 200ms: it has not answered `info`, and nothing came on its \
                    stdout (does it flush after each line?)";
    assert_eq!(error.message(), expected);
}

/// As one that is stopped, or whose machine is paused: the limit of the start is over when it runs again, and the answer is
/// there, unread.
#[tokio::test]
async fn a_plugin_that_was_ready_while_its_host_stood_still_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = dir.path().join("said");
    // What it says is in the file once it is in the pipe.
    let slow = "sleep 0.3; \"$0\" obliging | while IFS= read -r line; do echo \"$line\"; echo >\"$1\"; done";
    let builder = plugin_transports::process::ProcessConfig::builder("fixture", "sh")
        .with_args(["-c", slow, env!("CARGO_BIN_EXE_plugin-fixture")])
        .with_arg(&said)
        .with_start_timeout(Duration::from_secs(8));
    let mut starting = std::pin::pin!(start(builder));
    tokio::select! {
        _ = starting.as_mut() => panic!("it sleeps"),
        () = tokio::time::sleep(millis(100)) => {}
    }
    // Nothing of this process runs until then, as where it is stopped.
    let looks = (0..3000).take_while(|_| !said.exists()).map(|_| std::thread::sleep(millis(10))).count();
    assert!(looks < 3000, "it says nothing");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(9)).await;
    tokio::time::resume();
    let instance = starting.await;
    assert_eq!(instance.info().name, "obliging");
}

#[tokio::test]
async fn a_program_that_is_no_plugin_is_not_taken_for_one() {
    let error = start_error(ProcessConfig::builder("yes", "yes")).await;
    assert_eq!(error.code(), Code::ConnectionFailed);
    assert!(error.message().contains("not replies"), "{error}");
}

#[tokio::test]
async fn nothing_of_the_hosts_environment_is_passed_unless_it_is_allowed() {
    let allowed = "CARGO_MANIFEST_DIR";
    let value = std::env::var(allowed).expect("cargo sets it for tests");
    let instance = start(
        fixture(&["obliging"])
            .with_env("OWN", "a b=c")
            .with_env_allow(allowed)
            .with_env_allow("NOT_SET_ANYWHERE")
            .with_kind("test")
            .with_version("7.0.0"),
    )
    .await;
    let env = call(instance.service(), &json!({"tell": "env"})).await.expect("the environment");
    let env: BTreeMap<String, String> = serde_json::from_value(env).expect("texts");
    let expected = [
        ("AGILIRA_PLUGIN_MAGIC_COOKIE", "agilira-go-plugins-v1"),
        (allowed, value.as_str()),
        ("OWN", "a b=c"),
        ("PLUGIN_NAME", "fixture"),
        ("PLUGIN_PROTOCOL_VERSION", "1"),
        ("PLUGIN_TYPE", "test"),
        ("PLUGIN_VERSION", "7.0.0"),
    ];
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, expected);
}

#[tokio::test]
async fn the_process_works_in_its_work_dir() {
    let dir = tempfile::tempdir().expect("a directory");
    let instance = start(fixture(&["obliging"]).with_work_dir(dir.path())).await;
    let cwd = call(instance.service(), &json!({"tell": "cwd"})).await.expect("a path");
    assert_eq!(cwd, json!(dir.path().canonicalize().expect("a path")));
}

#[tokio::test]
async fn a_relative_executable_is_relative_to_the_host_even_with_a_work_dir() {
    let own = std::env::current_dir().expect("a directory");
    let fixture = std::path::Path::new(env!("CARGO_BIN_EXE_plugin-fixture"));
    let up: std::path::PathBuf = own.components().skip(1).map(|_| "..").collect();
    let relative = up.join(fixture.strip_prefix("/").expect("absolute"));
    let instance = start(ProcessConfig::builder("fixture", relative).with_arg("obliging").with_work_dir("/")).await;
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
}

#[tokio::test]
async fn options_are_delivered_before_the_first_call_and_a_refusal_is_not_ready() {
    let told = start(fixture(&["with-init"]).with_options(options(json!({"table": "users"})))).await;
    assert_eq!(call(told.service(), &json!(1)).await.expect("an echo"), 1);

    let error = start_error(fixture(&["with-init"]).with_options(options(json!({"refuse": "no such table"})))).await;
    assert_eq!((error.code(), error.is_retryable()), (Code::ExecutionFailed, false));
    // What it says here is the text of an option, which is for nobody.
    assert_eq!(error.message(), "the plugin refused its options: ***");
}

/// Quotes all that it was given wherever it says something.
const INDISCREET: &str = r#"
import json, os, sys
token = os.environ["TOKEN"]
print("starting with", token, file=sys.stderr, flush=True)
print("noise with", token, flush=True)
refuses = sys.argv[1] == "refuses"
options = {}
for line in sys.stdin:
    call = json.loads(line)
    answer = {"id": call["id"]}
    if call["method"] == "info":
        answer["result"] = {"name": "indiscreet", "version": "1." + token, "methods": ["init", "health"]}
    elif call["method"] == "init":
        options = call["payload"]
        answer.update({"error": "no use for " + line} if refuses else {"result": None})
    elif call["method"] == "health":
        said = {token: json.dumps(options)}
        said.update({"key %03d" % n: "x" for n in range(200)})
        answer["result"] = {"status": "degraded", "message": json.dumps(options), "metadata": said}
    else:
        answer["error"] = "cannot use " + token + " and " + json.dumps(options)
    print(json.dumps(answer), flush=True)
"#;

#[tokio::test]
async fn what_a_plugin_was_given_in_confidence_is_in_nothing_that_it_says() {
    let config = |how: &str| {
        ProcessConfig::builder("indiscreet", "python3")
            .with_args(["-c", INDISCREET, how])
            .with_env("TOKEN", "env-5ecret-token")
            .with_options(options(json!({"db": {"dsn": "postgres://u:pa55word@db/x"}, "kind": "plugin"})))
    };
    let told = |text: &str| {
        assert!(!text.contains("5ecret") && !text.contains("pa55word"), "{text}");
        assert!(text.contains("***"), "{text}");
    };
    let error = start_error(config("refuses")).await;
    told(error.message());
    assert_eq!(error.message_for_callers(), "the plugin refused its options");
    told(error.detail().expect("the end of its stderr"));

    let instance = start(config("takes them")).await;
    told(&instance.info().version);
    let error = call(instance.service(), &json!(1)).await.expect_err("its own error");
    told(error.message());
    assert!(error.message().contains("plugin"), "a short word is none: {error}");
    let health = instance.check().await;
    told(&health.message);
    assert_eq!(health.metadata.len(), 64);
    told(&format!("{:?}", health.metadata));
}

#[tokio::test]
async fn options_reach_a_plugin_without_init_through_its_environment() {
    let given = json!({"table": "users", "n": [1, 2]});
    let instance = start(fixture(&["execute-only"]).with_options(options(given.clone()))).await;
    let result = call(instance.service(), &json!(null)).await.expect("a result");
    let received: Value = serde_json::from_str(result["options"].as_str().expect("set")).expect("JSON");
    assert_eq!(received, given);

    let long = options(json!({"text": "x".repeat(200_000)}));
    let error = start_error(fixture(&["execute-only"]).with_options(long)).await;
    assert_eq!(error.code(), Code::ConfigValue, "{error}");
}

#[tokio::test]
async fn info_and_health_are_the_plugins_own_where_it_has_them() {
    let instance = start(fixture(&["obliging"])).await;
    assert_eq!((instance.info().name.as_str(), instance.info().version.as_str()), ("obliging", "1.2.3"));
    assert_eq!(instance.info().transport, "exec");
    let status = instance.check().await;
    assert_eq!((status.state, status.message.as_str()), (HealthState::Degraded, "slow disk"));

    let plain = start(fixture(&["execute-only"])).await;
    assert_eq!(plain.info().name, "fixture");
    assert_eq!(plain.check().await.state, HealthState::Healthy);
}

#[tokio::test]
async fn the_process_is_confined_before_it_runs() {
    let limits = ResourceLimits::new().with_memory(256 << 20).with_file_handles(32);
    let instance = start(fixture(&["obliging"]).with_resources(limits)).await;
    let handle = instance.service().handle();
    let pid = handle.pid().expect("running");
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("readable");
    let limit = |name: &str| {
        let limits = read("limits");
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit").to_owned();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max open files"), ["32", "32"]);
    assert_eq!(limit("Max data size"), ["268435456", "268435456"]);
    assert!(read("status").lines().any(|line| line == "NoNewPrivs:\t1"));
    // The fifth field is the process group, and the leader of a group has its number.
    let stat = read("stat");
    let group = stat.rsplit_once(')').expect("a name").1.split_whitespace().nth(2).map(str::to_owned);
    assert_eq!(group, Some(pid.to_string()));

    handle.limit(ResourceLimits::new().with_file_handles(20)).await.expect("lower is allowed");
    assert_eq!(limit("Max open files"), ["20", "20"]);
    assert_eq!(call(instance.service(), &json!(1)).await.expect("an echo"), 1);
}

#[tokio::test]
async fn no_process_holds_the_pipes_of_another() {
    let pipes = |pid: u32| -> Vec<_> {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("readable").flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .filter(|file| file.to_string_lossy().starts_with("pipe:"))
            .collect()
    };
    let first = start(fixture(&["deaf"])).await;
    let second = start(fixture(&["deaf"])).await;
    let of = |instance: &plugin_core::PluginInstance<plugin_transports::process::ProcessService>| {
        instance.service().handle().pid().expect("running")
    };
    let streams: Vec<_> =
        (0..3).map(|n| fs::read_link(format!("/proc/{}/fd/{n}", of(&first))).expect("a pipe")).collect();
    assert_eq!(streams.len(), 3);
    let held = pipes(of(&second));
    assert!(held.len() >= 3 && streams.iter().all(|stream| !held.contains(stream)), "{streams:?} {held:?}");
}

#[tokio::test]
async fn a_plugin_in_python_with_its_standard_library_alone() {
    let script = in_repository("examples/plugins/echo.py");
    let instance = start(ProcessConfig::builder("echo", "python3").with_arg(script)).await;
    for payload in [json!({"text": "héllo\n", "n": [1, 2.5, null]}), json!("x".repeat(200_000))] {
        assert_eq!(call(instance.service(), &payload).await.expect("an echo"), payload);
    }
    let handle = instance.service().handle();
    let pid = handle.pid().expect("running");
    instance.close(Duration::from_secs(10)).await.expect("it ends with its stdin");
    assert_eq!(support::proc_state(pid), None);
}

#[test]
fn a_plugin_that_is_started_by_hand_explains_itself_and_fails() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_plugin-fixture")).arg("obliging").output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("this program is a plugin") && text.contains("executable:"), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn the_process_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let asking = std::thread::spawn(move || handle.block_on(start(fixture(&["obliging"]))));
    let instance = asking.join().expect("no panic");
    let answer: Result<Value, PluginError> = runtime.block_on(async {
        // Long enough for a signal that would come with the thread's end.
        tokio::time::sleep(Duration::from_millis(50)).await;
        call(instance.service(), &json!("alive")).await
    });
    assert_eq!(answer.expect("an echo"), "alive");
}
