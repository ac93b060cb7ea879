//! A process that dies again and again: what is said of it, where, and how it comes back.

use std::path::Path;

use crate::support::{Client, Gateway, children, example, gateway, get, has_line, kill, post, until};

/// A gateway with a plugin that starts only while `database` is there, and dies of the payload `"poison"`.
async fn gateway_of(dir: &Path, restart: &str) -> Gateway {
    std::fs::write(dir.join("database"), "").expect("written");
    let plugin = "
import json, os, sys
if not os.path.exists('database'):
    sys.exit('no database')
for line in sys.stdin:
    request = json.loads(line)
    if request['payload'] == 'poison':
        sys.exit('poisoned')
    print(json.dumps({'id': request['id'], 'result': request['payload']}), flush=True)
";
    std::fs::write(dir.join("fragile.py"), plugin).expect("written");
    let (echo, dir_of) = (example("plugins/echo.py"), dir.display());
    gateway(&dir.join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: fragile, transport: exec, executable: python3, args: [fragile.py], work_dir: '{dir_of}', {restart}}}
  - {{name: steady, transport: exec, executable: python3, args: ['{echo}']}}
"
        )
    })
    .await
}

async fn told(gateway: &Gateway) -> (String, String, u16, u16, f64) {
    let plugin = get(gateway.admin, "/admin/v1/plugins/fragile").await.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (ready, health) = (get(gateway.admin, "/readyz").await, get(gateway.admin, "/health").await);
    let metrics = get(gateway.admin, "/metrics").await;
    let gauge = metrics.text().lines().find_map(|line| line.strip_prefix("plugin_health_state{plugin=\"fragile\"} "));
    let gauge = gauge.expect("a series").parse().expect("a number");
    (text(&plugin["state"]), text(&plugin["health"]["status"]), ready.status.as_u16(), health.status.as_u16(), gauge)
}

async fn is_back(gateway: &Gateway) {
    until("it is back", async || {
        Client::new().call(gateway.data, "fragile", "1").await?.status.is_success().then_some(())
    })
    .await;
    let (state, health, ready, _, gauge) = told(gateway).await;
    assert_eq!((state.as_str(), health.as_str(), ready, gauge), ("serving", "healthy", 200, 1.0));
}

#[tokio::test]
async fn seven_poisonous_requests_fail_it_everywhere_at_once_and_an_operator_brings_it_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let restart = "restart: {initial: 10ms, max: 1h}, retry: {max_retries: 0}";
    let gateway = gateway_of(dir.path(), restart).await;
    is_back(&gateway).await;
    let poison = async || {
        until("it is poisoned", async || {
            let answer = Client::new().call(gateway.data, "fragile", "\"poison\"").await?;
            // Refused while it restarts, and lost when it gets there.
            (answer.problem().1 != "PLUGIN_1205").then_some(answer)
        })
        .await
    };
    for _ in 0..6 {
        assert_eq!(poison().await.problem(), (502, "TRANSPORT_1304".to_owned()));
    }
    // Told by the sixth answer already: nobody waits for a check.
    let (state, health, ready, overall, gauge) = told(&gateway).await;
    assert_eq!((state.as_str(), health.as_str(), ready, overall, gauge), ("failed", "offline", 503, 503, 4.0));
    let seventh = poison().await;
    assert_eq!(seventh.problem(), (503, "LIFECYCLE_2103".to_owned()));
    let after: u64 = seventh.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((3500..=3610).contains(&after), "{after}");
    assert_eq!(get(gateway.admin, "/readyz").await.text(), "failed: fragile\n");
    let listed = gateway.command(&["plugins"]).await.worked();
    assert!(listed.contains("failed") && listed.contains("offline"), "{listed}");
    let said = gateway.command(&["health"]).await;
    assert!(said.code() == Some(1) && said.stdout.starts_with("unhealthy: fragile is offline\n"), "{said:?}");
    for told in ["\nfragile: failed for ", ", the next start is in ", "\nfragile: the process exited with status 1, "] {
        assert_eq!(said.stdout.matches(told).count(), 1, "{told}: {said:?}");
    }
    assert_eq!(said.stdout.matches("status 1").count(), 1, "each thing is told once: {said:?}");
    let detail = gateway.command(&["plugins", "fragile"]).await.worked();
    assert!(detail.contains(", the next start is in "), "{detail}");
    let called = gateway.command(&["call", "fragile", "1"]).await.failed(1);
    assert!(called.contains("(LIFECYCLE_2103); try again in 59m") || called.contains("try again in 1h"), "{called}");
    for told in [
        get(gateway.admin, "/admin/v1/plugins/fragile").await.json(),
        get(gateway.admin, "/health").await.json()["plugins"]["fragile"].clone(),
    ] {
        assert!(told["next_start"].as_str().is_some_and(|time| time.starts_with("59m") || time == "1h"), "{told:#}");
    }
    let metrics = get(gateway.admin, "/metrics").await;
    assert!(has_line(metrics.text(), "plugin_restarts_total{plugin=\"fragile\"} 5"), "{}", metrics.text());
    assert!(has_line(metrics.text(), "plugin_failed_starts_total{plugin=\"fragile\"} 0"), "{}", metrics.text());
    assert_eq!(post(gateway.data, "steady", "1").await.text(), "1", "no other plugin notices");

    assert_eq!(gateway.command(&["restart", "fragile"]).await.worked(), "fragile is serving\n");
    is_back(&gateway).await;
    for _ in 0..6 {
        poison().await;
    }
    assert_eq!(told(&gateway).await.0, "failed");
    gateway.command(&["disable", "fragile"]).await.worked();
    assert_eq!(gateway.command(&["enable", "fragile"]).await.worked(), "fragile is serving\n");
    is_back(&gateway).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_counted_and_the_plugin_comes_back_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let restart = "restart: {initial: 10ms, max: 200ms}, retry: {max_retries: 0}";
    let gateway = gateway_of(dir.path(), restart).await;
    is_back(&gateway).await;
    std::fs::remove_file(dir.path().join("database")).expect("removed");
    let pid = children(gateway.program.pid())
        .into_iter()
        .find(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("fragile")));
    kill(pid.expect("it runs"));
    until("it has failed", async || (told(&gateway).await.0 == "failed").then_some(())).await;
    let (_, health, ready, overall, _) = told(&gateway).await;
    assert_eq!((health.as_str(), ready, overall), ("offline", 503, 503));
    let plugin = get(gateway.admin, "/admin/v1/plugins/fragile").await.json();
    assert!(
        plugin["health"]["message"].as_str().is_some_and(|text| text.contains("could not be started")),
        "{plugin:#}"
    );
    let counted = |name: &str, text: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{plugin=\"fragile\"}} ")));
        line.expect("a series").parse().expect("a number")
    };
    let metrics = get(gateway.admin, "/metrics").await;
    let (restarts, failed) =
        (counted("plugin_restarts_total", metrics.text()), counted("plugin_failed_starts_total", metrics.text()));
    assert!(restarts >= 5 && restarts == failed, "{restarts} starts, {failed} failed");
    // It is an alert once, and not at each try.
    until("it was tried often", async || {
        let metrics = get(gateway.admin, "/metrics").await;
        (counted("plugin_failed_starts_total", metrics.text()) >= 9).then_some(())
    })
    .await;
    let log = gateway.program.logs(&["died too often and has failed"]).await;
    let lines = |text| log.matches(text).count();
    assert_eq!((lines("died too often and has failed"), lines("could not be started again")), (1, 6), "{log}");
    std::fs::write(dir.path().join("database"), "").expect("written");
    is_back(&gateway).await;
}

/// The caller waited for all of its time and heard no more than that.
#[tokio::test]
async fn a_caller_whose_time_is_up_while_a_plugin_does_not_start_is_told_what_it_died_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: dies
    transport: exec
    executable: sh
    args: [-c, 'sleep 0.2; exit 3']
    restart: {{initial: 10ms, max: 10ms, max_in_window: 1000}}
    timeout: 300ms
"
        )
    })
    .await;
    let late = until("its time is up while a start goes on", async || {
        let answer = post(gateway.data, "dies", "1").await;
        (answer.status == 504).then_some(answer)
    })
    .await
    .json();
    let detail = late["plugin_detail"].as_str().unwrap_or_default();
    assert!(detail.ends_with("the process exited with status 3 before it was ready"), "{late:#}");
    assert_eq!(late["sent"], "no", "{late:#}");
}

/// It was the operator, and the circuit opened for it.
#[tokio::test]
async fn a_restart_that_an_operator_asks_for_is_no_failure_of_the_plugin() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = "
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute' and request['payload'] == 'hang':
        open('asked', 'w').close()
        time.sleep(600)
    print(json.dumps({'id': request['id'], 'result': request['payload']}), flush=True)
";
    std::fs::write(dir.path().join("hangs.py"), plugin).expect("written");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: hangs
    transport: exec
    executable: python3
    args: [hangs.py]
    work_dir: .
    circuit_breaker: {{failure_threshold: 1, min_request_threshold: 1}}
"
        )
    })
    .await;
    let (data, admin) = (gateway.data, gateway.admin);
    let call = tokio::spawn(async move { post(data, "hangs", "\"hang\"").await });
    until("it was asked", async || dir.path().join("asked").exists().then_some(())).await;
    let state = async |wanted: &str| {
        until(wanted, async || {
            let plugin = get(admin, "/admin/v1/plugins/hangs").await.json();
            (plugin["state"] == wanted).then_some(plugin)
        })
        .await
    };
    let drain = gateway.start(&["drain", "hangs"]);
    state("draining").await;
    let restarted = gateway.command(&["restart", "hangs"]).await.worked();
    assert_eq!(restarted, "hangs is drained; the restart has cut off 1 call that had no answer\n");
    let drained = drain.ends().await.failed(1);
    assert!(drained.contains(" 0 calls were unfinished; a restart has cut off 1 call\n"), "{drained}");
    let log = gateway.program.logs(&["drain\" outcome=", "restart\" outcome="]).await;
    for (line, says) in [
        (" WARN the plugin's process was stopped for the restart", "cut=1 killed="),
        (" WARN drained, and a restart has cut off calls meanwhile", "unfinished=0 cut=1"),
        ("path=\"/admin/v1/plugins/hangs/drain\"", "outcome=\"not clean\""),
        ("path=\"/admin/v1/plugins/hangs/restart\"", "outcome=\"not clean\""),
    ] {
        assert!(log.lines().any(|found| found.contains(line) && found.contains(says)), "{line} {says}\n{log}");
    }
    gateway.command(&["enable", "hangs"]).await.worked();
    let cut = call.await.expect("no panic");
    assert_eq!(cut.problem(), (503, "LIFECYCLE_2101".to_owned()));
    let said = cut.json();
    assert!(
        said["detail"].as_str().is_some_and(|said| said.contains("was stopped for a restart on request")),
        "{said:#}"
    );
    assert_eq!((&said["sent"], &said["retryable"]), (&"maybe".into(), &true.into()), "{said:#}");
    let plugin = get(gateway.admin, "/admin/v1/plugins/hangs").await.json();
    assert_eq!((&plugin["calls"]["failure"], &plugin["calls"]["refused"]), (&0.into(), &1.into()), "{plugin:#}");
    assert_eq!(
        (&plugin["circuit"]["opened"], &plugin["last_failure"]),
        (&0.into(), &serde_json::Value::Null),
        "{plugin:#}"
    );
    assert_eq!(post(gateway.data, "hangs", "1").await.text(), "1");
}

/// A gateway with a plugin that says by `asked` that it has a call, and answers when `answer` is there.
async fn gateway_that_waits(dir: &Path) -> Gateway {
    let plugin = "
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        open('asked', 'w').close()
        while not os.path.exists('answer'):
            time.sleep(0.01)
    print(json.dumps({'id': request['id'], 'result': request['payload']}), flush=True)
";
    std::fs::write(dir.join("works.py"), plugin).expect("written");
    gateway(&dir.join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins: [{{name: works, transport: exec, executable: python3, args: [works.py], work_dir: '.'}}]
"
        )
    })
    .await
}

/// All said that it was stopped, and for how long it had served went on from the start of the gateway.
#[tokio::test]
async fn while_a_restart_lets_calls_end_it_says_so_and_what_serves_then_has_begun_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway_that_waits(dir.path()).await;
    let (data, admin) = (gateway.data, gateway.admin);
    let plugin = async || get(admin, "/admin/v1/plugins/works").await.json();
    let before = plugin().await["since_ms"].as_u64().expect("a time");
    let call = tokio::spawn(async move { post(data, "works", "[1]").await });
    until("it was asked", async || dir.path().join("asked").exists().then_some(())).await;
    let restart = gateway.start(&["restart", "works"]);
    let waits =
        until("it restarts", async || Some(plugin().await).filter(|plugin| plugin["state"] == "restarting")).await;
    let says =
        "the plugin's process is being restarted: it ends the calls that it has first, and is then stopped on request";
    assert_eq!(waits["health"]["message"], says, "{waits:#}");
    gateway.program.logs(&["a restart of the plugin's process was asked for", " calls=1"]).await;
    std::fs::write(dir.path().join("answer"), "").expect("written");
    assert_eq!(call.await.expect("no panic").text(), "[1]");
    assert_eq!(restart.ends().await.worked(), "works is serving\n");
    let after = plugin().await;
    assert!(after["since_ms"].as_u64() > waits["since_ms"].as_u64().max(Some(before)), "{waits:#}\n{after:#}");
    let log = gateway.program.logs(&["restart\" outcome=\"done\""]).await;
    assert!(log.contains(" INFO the plugin's process was stopped for the restart"), "{log}");
}

/// It was `drained` at once, and who then stopped it cut a call.
#[tokio::test]
async fn a_drain_that_runs_out_of_its_time_says_so_and_goes_on_until_the_last_call_has_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway_that_waits(dir.path()).await;
    let (data, admin) = (gateway.data, gateway.admin);
    let call = tokio::spawn(async move { post(data, "works", "[1]").await });
    until("it was asked", async || dir.path().join("asked").exists().then_some(())).await;
    let said = gateway.command(&["drain", "works", "--timeout", "50ms"]).await.failed(1);
    assert!(said.contains("1 call was unfinished"), "{said}");
    let state = async || get(admin, "/admin/v1/plugins/works").await.json()["state"].as_str().map(str::to_owned);
    assert_eq!(state().await.as_deref(), Some("draining"));
    let log = gateway.program.logs(&["drain\" outcome=\"not clean\""]).await;
    assert!(log.contains(" WARN the drain has run out of its time plugin=\"works\" unfinished=1"), "{log}");
    std::fs::write(dir.path().join("answer"), "").expect("written");
    assert_eq!(call.await.expect("no panic").text(), "[1]");
    until("it is drained", async || (state().await.as_deref() == Some("drained")).then_some(())).await;
    let refused = post(data, "works", "1").await;
    assert_eq!(refused.problem(), (503, "LIFECYCLE_2101".to_owned()));
    let detail = refused.json()["detail"].as_str().expect("text").to_owned();
    assert!(detail.contains("was drained, and takes no calls until it is switched on again"), "{detail}");
}

#[tokio::test]
async fn a_plugin_that_nobody_starts_again_says_so_in_every_list_and_what_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway_of(dir.path(), "restart: {max_in_window: 0}, retry: {max_retries: 0}").await;
    is_back(&gateway).await;
    assert_eq!(post(gateway.data, "fragile", "\"poison\"").await.problem(), (502, "TRANSPORT_1304".to_owned()));
    let says = ", and is not started again by itself: `plugin-manager restart fragile`";
    for (command, code) in [("plugins", 0), ("plugins fragile", 0), ("health", 1)] {
        let ended = gateway.command(&command.split(' ').collect::<Vec<_>>()).await;
        let said = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ended.code() == Some(code) && said.matches(says).count() == 1, "{command}: {ended:?}");
    }
    assert_eq!(gateway.command(&["restart", "fragile"]).await.worked(), "fragile is serving\n");
    let detail = gateway.command(&["plugins", "fragile"]).await.worked();
    assert!(!detail.contains("by itself"), "{detail}");
}
