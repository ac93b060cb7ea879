//! While plugins are being started: who is known, who serves, and who may be starting at once.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Client, Gateway, Signal, children, example, get, gone, has_line, post, starting_gateway, until};

/// A plugin that starts to be one when the file `go-NAME` is there, and says by `begun-NAME` that its process runs.
fn waits(name: &str, more: &str) -> String {
    let script = format!("touch begun-{name}; until test -e go-{name}; do sleep 0.01; done; exec python3 \"$0\"");
    let echo = example("plugins/echo.py");
    format!(
        "{{name: {name}, transport: exec, executable: sh, args: [-c, '{script}', '{echo}'], work_dir: '.', \
             connection: {{connection_timeout: 1m}}{more}}}"
    )
}

async fn starts(dir: &Path, head: &str, plugins: &[String]) -> Gateway {
    starting_gateway(&dir.join("gateway.yaml"), |data, admin| {
        let plugins: String = plugins.iter().map(|plugin| format!("  - {plugin}\n")).collect();
        format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\n{head}\nplugins:\n{plugins}")
    })
    .await
}

fn quick() -> String {
    format!("{{name: quick, transport: exec, executable: python3, args: ['{}']}}", example("plugins/echo.py"))
}

fn go(dir: &Path, name: &str) {
    std::fs::write(dir.join(format!("go-{name}")), "").expect("written");
}

async fn serves(gateway: &Gateway, plugin: &str) {
    let client = Client::new();
    let serves = async || client.call(gateway.data, plugin, "1").await?.status.is_success().then_some(());
    until("it serves", serves).await;
}

async fn operate(gateway: &Gateway, plugin: &str, what: &str) -> (i32, String) {
    let ended = gateway.command(&[what, plugin]).await;
    (ended.code().expect("not killed"), format!("{}{}", ended.stdout, ended.stderr).trim_end().to_owned())
}

/// Every configured plugin used to be 404 `retryable: false` until the slowest was ready.
#[tokio::test]
async fn a_plugin_that_is_being_started_is_known_everywhere_and_keeps_no_other_from_serving() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = starts(dir.path(), "", &[quick(), waits("slow", "")]).await;
    serves(&gateway, "quick").await;

    let refused = post(gateway.data, "slow", "1").await;
    assert_eq!(refused.problem(), (503, "LIFECYCLE_2105".to_owned()));
    assert_eq!(refused.headers["retry-after"], "1", "{refused:?}");
    let said = refused.json();
    assert_eq!([&said["retryable"], &said["sent"], &said["plugin"]], [&json!(true), &json!("no"), &json!("slow")]);
    assert_eq!(post(gateway.data, "nobody", "1").await.problem(), (404, "PLUGIN_1201".to_owned()));

    let ready = get(gateway.admin, "/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.text()), (503, "starting: slow\n"));
    let plugins = get(gateway.admin, "/admin/v1/plugins").await.json();
    let states: Vec<_> = plugins.as_array().expect("a list").iter().map(|plugin| &plugin["state"]).collect();
    assert_eq!(states, ["serving", "starting"]);
    assert_eq!(get(gateway.admin, "/admin/v1/status").await.json()["starting"], 1);
    let health = get(gateway.admin, "/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["plugins"]["slow"]["status"]), (503, &json!("unhealthy")));
    let page = get(gateway.admin, "/metrics").await;
    for line in [
        "plugin_state{plugin=\"slow\"} 1",
        "plugin_state{plugin=\"quick\"} 0",
        "plugin_requests_total{plugin=\"slow\",status=\"refused\"} 1",
        "plugin_errors_total{plugin=\"slow\",code=\"LIFECYCLE_2105\"} 1",
    ] {
        assert!(has_line(page.text(), line), "{line}\n{}", page.text());
    }
    assert!(!page.text().contains("rejected_requests_total{http_status=\"503\""), "{}", page.text());
    for (command, said, code) in [
        ("status", "starting, up ", 0),
        ("status", "2 plugins (1 starting)", 0),
        ("plugins", "slow: starting for ", 0),
        ("health", "slow: starting for ", 1),
        ("plugins slow", "limits        a call 30s, an attempt 30s\n", 0),
    ] {
        let ended = gateway.command(&command.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((ended.stdout.matches(said).count(), ended.code()), (1, Some(code)), "{said}: {ended:?}");
    }
    let (code, said) = operate(&gateway, "slow", "restart").await;
    assert!(code == 1 && said.contains("slow: the plugin is being started"), "{said}");

    go(dir.path(), "slow");
    serves(&gateway, "slow").await;
    until("it is ready", async || (get(gateway.admin, "/readyz").await.text() == "ready\n").then_some(())).await;
    let page = get(gateway.admin, "/metrics").await;
    let counts = ["plugin_state{plugin=\"slow\"} 0", "plugin_requests_total{plugin=\"slow\",status=\"success\"} 1"];
    assert!(counts.iter().all(|line| has_line(page.text(), line)), "{}", page.text());
    assert!(page.text().contains("plugin_errors_total{plugin=\"slow\",code=\"LIFECYCLE_2105\"}"), "its counts go on");
    let status = gateway.command(&["status"]).await.worked();
    assert!(status.starts_with("serving, up ") && status.contains("2 plugins, "), "{status}");
}

#[tokio::test]
async fn what_an_operator_says_of_a_plugin_that_is_being_started_holds_when_it_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = starts(dir.path(), "", &[waits("off", ""), waits("drained", ""), waits("on", "")]).await;
    assert_eq!(operate(&gateway, "off", "disable").await, (0, "off is disabled".to_owned()));
    assert_eq!(post(gateway.data, "off", "1").await.problem(), (503, "PLUGIN_1202".to_owned()));
    let (code, said) = operate(&gateway, "drained", "drain").await;
    assert!(code == 0 && said.starts_with("drained drained in "), "{said}");
    assert_eq!(post(gateway.data, "drained", "1").await.problem(), (503, "LIFECYCLE_2101".to_owned()));
    assert_eq!(operate(&gateway, "on", "disable").await.0, 0);
    assert_eq!(operate(&gateway, "on", "enable").await, (0, "on is starting".to_owned()));
    for name in ["off", "drained", "on"] {
        go(dir.path(), name);
    }
    serves(&gateway, "on").await;
    until("it is ready", async || (get(gateway.admin, "/readyz").await.text() == "ready\n").then_some(())).await;
    for (name, state) in [("off", "disabled"), ("drained", "drained"), ("on", "serving")] {
        let plugin = get(gateway.admin, &format!("/admin/v1/plugins/{name}")).await.json();
        assert_eq!(plugin["state"], state, "{name}");
    }
    assert_eq!(operate(&gateway, "drained", "enable").await, (0, "drained is serving".to_owned()));
    assert_eq!(post(gateway.data, "drained", "2").await.text(), "2");
}

#[tokio::test]
async fn no_more_plugins_are_starting_at_once_than_the_configuration_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = ["a", "b", "c", "d", "e"];
    let plugins = names.map(|name| waits(name, ""));
    let gateway = starts(dir.path(), "start: {max_concurrent: 2}", &plugins).await;
    let begun = |name: &&str| dir.path().join(format!("begun-{name}")).exists();
    let mut released: Vec<&str> = Vec::new();
    for step in [2, 4, 5] {
        let running = until("the next ones begin", async || {
            let running: Vec<_> = names.into_iter().filter(begun).collect();
            assert!(running.len() <= released.len() + 2, "{running:?} have begun, and {released:?} may be ready");
            (running.len() == step).then_some(running)
        })
        .await;
        assert_eq!(get(gateway.admin, "/admin/v1/status").await.json()["starting"], 5 - released.len());
        running.iter().for_each(|name| go(dir.path(), name));
        for name in &running {
            serves(&gateway, name).await;
        }
        released = running;
    }
    assert_eq!(get(gateway.admin, "/admin/v1/status").await.json()["starting"], 0);
}

#[tokio::test]
async fn a_larger_priority_takes_the_next_free_place_and_keeps_no_other_from_starting_where_there_is_one() {
    for (room, head) in [(false, "start: {max_concurrent: 1}"), (true, "start: {max_concurrent: 2}")] {
        let dir = tempfile::tempdir().expect("a directory");
        let plugins = [waits("last", ""), waits("first", ", priority: 1")];
        let gateway = starts(dir.path(), head, &plugins).await;
        let begun = |name: &str| -> PathBuf { dir.path().join(format!("begun-{name}")) };
        until("the first begins", async || begun("first").exists().then_some(())).await;
        let says = if room { "starting: first, last\n" } else { "starting: first; waiting for their turn: last\n" };
        assert_eq!(get(gateway.admin, "/readyz").await.text(), says);
        if room {
            go(dir.path(), "last");
            serves(&gateway, "last").await;
            assert_eq!(get(gateway.admin, "/readyz").await.text(), "starting: first\n");
        }
        assert_eq!(begun("last").exists(), room);
        go(dir.path(), "first");
        serves(&gateway, "first").await;
        until("the last begins", async || begun("last").exists().then_some(())).await;
    }
}

/// It was `starting` like the others, though nothing of it was, and nobody could make room for it.
#[tokio::test]
async fn who_waits_for_a_place_says_so_and_one_that_is_switched_off_leaves_its_own() {
    for what in ["disable", "drain"] {
        let dir = tempfile::tempdir().expect("a directory");
        let plugins = [waits("first", ""), waits("last", "")];
        let gateway = starts(dir.path(), "start: {max_concurrent: 1}", &plugins).await;
        let begun = |name: &str| dir.path().join(format!("begun-{name}")).exists();
        until("the first begins", async || begun("first").then_some(())).await;
        let last = async || get(gateway.admin, "/admin/v1/plugins/last").await.json();
        assert_eq!(last().await["state"], "waiting");
        let refused = post(gateway.data, "last", "1").await;
        assert_eq!(refused.problem(), (503, "LIFECYCLE_2105".to_owned()));
        let said = refused.json()["detail"].as_str().expect("text").to_owned();
        assert!(said.contains("the plugin waits for its turn to be started"), "{said}");
        let listed = gateway.command(&["plugins"]).await.worked();
        assert!(
            listed.contains("last: waiting for ") && listed.contains("as `start.max_concurrent` allows"),
            "{listed}"
        );
        assert_eq!(gateway.command(&["status"]).await.worked().matches("2 plugins (2 starting)").count(), 1);
        assert!(!begun("last"));
        assert_eq!(operate(&gateway, "first", what).await.0, 0);
        until("the last begins", async || begun("last").then_some(())).await;
        assert_eq!(last().await["state"], "starting");
        go(dir.path(), "last");
        serves(&gateway, "last").await;
        // What was switched off goes on, and is switched on when that is asked for.
        go(dir.path(), "first");
        operate(&gateway, "first", "enable").await;
        serves(&gateway, "first").await;
    }
}

#[tokio::test]
async fn the_log_says_what_is_started_and_how_long_it_took() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut gateway = starts(dir.path(), "", &[quick(), waits("slow", "")]).await;
    gateway.program.prints(" starting 2 plugins at_once=8").await.expect("it runs");
    go(dir.path(), "slow");
    for plugin in ["quick", "slow"] {
        until("it is told when it is there", async || {
            let said = gateway.program.stderr();
            let line = said.lines().find(|line| line.contains(" started in ") && line.contains(plugin))?;
            let took = line.split_once(" started in ")?.1.split_once(' ')?.0;
            took.ends_with('s').then_some(())
        })
        .await;
    }
    gateway.program.prints("serving 2 plugins at ").await.expect("it runs");
}

/// Nobody listened for it: it took all of `shutdown_timeout`.
#[tokio::test]
async fn a_signal_ends_a_gateway_at_once_that_drains_since_a_required_plugin_has_failed() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        open('asked', 'w').close()
        time.sleep(600)
    print(json.dumps({'id': request['id'], 'result': {}}), flush=True)
";
    std::fs::write(dir.path().join("hangs.py"), script).expect("written");
    let hangs = "{name: hangs, transport: exec, executable: python3, args: [hangs.py], work_dir: '.', timeout: 10m}";
    let fails = "{name: fails, transport: exec, executable: sh, \
                 args: [-c, 'until test -e go-fails; do sleep 0.01; done; exit 3'], work_dir: '.', required: true}";
    let plugins = [hangs.to_owned(), fails.to_owned()];
    let gateway = starts(dir.path(), "shutdown_timeout: 10m", &plugins).await;
    let data = gateway.data;
    until("it serves", async || {
        let plugin = get(gateway.admin, "/admin/v1/plugins/hangs").await.json();
        (plugin["state"] == "serving").then_some(())
    })
    .await;
    let _call = tokio::spawn(async move { Client::new().call(data, "hangs", "1").await });
    until("it was asked", async || dir.path().join("asked").exists().then_some(())).await;
    go(dir.path(), "fails");
    until("it drains", async || tokio::net::TcpStream::connect(data).await.err()).await;
    gateway.program.signal(Signal::TERM);
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("plugin \"fails\": the process exited with status 3"), "{ended:?}");
}

#[tokio::test]
async fn a_signal_while_a_plugin_is_being_started_lets_the_calls_of_the_others_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        open('asked', 'w').close()
        while not os.path.exists('answer'):
            time.sleep(0.01)
    print(json.dumps({'id': request['id'], 'result': request['payload']}), flush=True)
";
    std::fs::write(dir.path().join("works.py"), script).expect("written");
    let works = "{name: works, transport: exec, executable: python3, args: [works.py], work_dir: '.'}".to_owned();
    let mut gateway = starts(dir.path(), "", &[works, waits("slow", "")]).await;
    let (data, admin) = (gateway.data, gateway.admin);
    until("it serves", async || {
        let plugin = get(admin, "/admin/v1/plugins/works").await.json();
        (plugin["state"] == "serving").then_some(())
    })
    .await;
    let call = tokio::spawn(async move { post(data, "works", "[1]").await });
    let there = |name: &str| dir.path().join(name).exists();
    until("it was asked, and the other runs", async || (there("asked") && there("begun-slow")).then_some(())).await;
    let processes = children(gateway.program.pid());
    gateway.program.signal(Signal::TERM);
    gateway.program.prints("stopping: calls in flight may finish").await.expect("it waits");
    assert!(!call.is_finished());
    std::fs::write(dir.path().join("answer"), "").expect("written");
    assert_eq!(call.await.expect("no panic").text(), "[1]");
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for process in processes {
        gone(process).await;
    }
}
