//! kill -9 of a plugin's process while many call it through the gateway.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use plugin_core::clock;
use tokio::{sync::watch, task::JoinSet};

use crate::support::{Client, LIMIT, children, example, gateway, get, has_line, kill, state, until};

const CALLERS: usize = 32;
/// What the configuration says of the first restart.
const BACKOFF: Duration = Duration::from_millis(100);
/// For a slow machine to start Python while everybody calls.
const SLACK: Duration = Duration::from_secs(10);

/// The answers of all callers: how many worked, and how many had which status and code.
#[derive(Debug, Default)]
struct Answers {
    worked: u64,
    refused: BTreeMap<(u16, String), u64>,
}

/// Calls until it is told to stop. Panics at an answer that is neither the right one nor a problem document.
async fn caller(data: SocketAddr, number: usize, stop: watch::Receiver<bool>) -> Answers {
    let client = Client::new();
    let mut answers = Answers::default();
    for round in 0_u64.. {
        if *stop.borrow() {
            break;
        }
        let payload = format!("[{number}, {round}]");
        let answer = client.call(data, "echo", &payload).await.expect("the gateway itself stays");
        if answer.status.is_success() {
            assert_eq!(answer.text(), payload, "the answer of another call");
            answers.worked += 1;
        } else {
            *answers.refused.entry(answer.problem()).or_default() += 1;
        }
    }
    answers
}

/// Kills the process under load, in a gateway whose plugin has these settings besides.
async fn kill_under_load(settings: &str, expected: &[(u16, &str)]) {
    let dir = tempfile::tempdir().expect("a directory");
    let echo = example("plugins/echo.py");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: echo
    transport: exec
    executable: python3
    args: ['{echo}']
    restart: {{initial: {}ms}}
{settings}
",
            BACKOFF.as_millis()
        )
    })
    .await;
    let (data, host) = (gateway.data, gateway.program.pid());
    let first = children(host);
    assert_eq!(first.len(), 1);

    let (stop, stopped) = watch::channel(false);
    let mut callers: JoinSet<Answers> = (0..CALLERS).map(|number| caller(data, number, stopped.clone())).collect();
    until("calls are in flight", async || {
        let plugin = get(gateway.admin, "/admin/v1/plugins/echo").await.json();
        (plugin["calls"]["success"].as_u64()? > 100 && plugin["in_flight"].as_u64()? > 0).then_some(())
    })
    .await;
    kill(first[0]);
    let killed = clock::now();
    until("it is down", async || (state(first[0]) != Some('R') && state(first[0]) != Some('S')).then_some(())).await;
    until("a call works again", async || {
        Client::new().call(data, "echo", "\"again\"").await?.status.is_success().then_some(())
    })
    .await;
    let took = killed.elapsed();
    assert!(took < BACKOFF + SLACK, "{took:?}");
    stop.send(true).expect("they listen");
    let mut all = Answers::default();
    while let Some(answers) = tokio::time::timeout(LIMIT, callers.join_next()).await.expect("they end") {
        let answers = answers.expect("typed answers only");
        all.worked += answers.worked;
        answers.refused.into_iter().for_each(|(kind, count)| *all.refused.entry(kind).or_default() += count);
    }
    for (status, code) in all.refused.keys() {
        assert!(expected.contains(&(*status, code)), "{status} {code} is none of {expected:?} in {all:?}");
    }
    assert!(all.worked > 100, "{all:?}");
    for number in 0..50 {
        assert_eq!(crate::support::post(data, "echo", &number.to_string()).await.text(), number.to_string());
    }

    let metrics = get(gateway.admin, "/metrics").await;
    assert!(has_line(metrics.text(), "plugin_restarts_total{plugin=\"echo\"} 1"), "{}", metrics.text());
    assert!(has_line(metrics.text(), "plugin_active_requests{plugin=\"echo\"} 0"), "{}", metrics.text());
    let now = children(host);
    assert!(now.len() == 1 && now[0] != first[0] && state(now[0]) != Some('Z'), "{first:?} {now:?}");
    let log = gateway.program.logs(&["was killed by signal 9"]).await;
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains("circuit breaker"), "it says nothing of a process that is no more: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_retries_callers_see_typed_errors_and_then_success() {
    let alone = "    retry: {max_retries: 0}\n    circuit_breaker: {enabled: false}\n";
    kill_under_load(alone, &[(502, "PLUGIN_1205"), (502, "TRANSPORT_1304")]).await;
}

/// The calls that are lost are more than enough to open the breaker, for 30 s, and none of them counts: who comes next waits for
/// the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_settings_that_a_plugin_has_by_default_too() {
    kill_under_load("", &[(502, "PLUGIN_1205"), (502, "TRANSPORT_1304")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retries_and_a_breaker_that_is_quick_too() {
    let stack = "    circuit_breaker: {recovery_timeout: 200ms}\n";
    kill_under_load(stack, &[(502, "PLUGIN_1205"), (502, "TRANSPORT_1304")]).await;
}

/// What a plugin has started and sent out of its group keeps its pipes open, and the end of a process is waited for twice: who
/// came in between met the breaker, which the calls that were lost had opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_end_of_a_process_is_still_waited_for_waits_for_the_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = "
import json, subprocess, sys, time
subprocess.Popen(['sleep', '5'], start_new_session=True)
for line in sys.stdin:
    request = json.loads(line)
    reply = {'error': 'unknown method'}
    if request['method'] == 'execute':
        time.sleep(0.01)
        reply = {'result': request['payload']}
    print(json.dumps({'id': request['id'], **reply}), flush=True)
";
    std::fs::write(dir.path().join("forks.py"), plugin).expect("written");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins: [{{name: echo, transport: exec, executable: python3, args: [forks.py]}}]
"
        )
    })
    .await;
    let host = gateway.program.pid();
    let (stop, stopped) = watch::channel(false);
    let mut callers: JoinSet<Answers> = (0..8).map(|n| caller(gateway.data, n, stopped.clone())).collect();
    for restarts in 1..=2 {
        let first = until("calls are in flight", async || {
            let plugin = get(gateway.admin, "/admin/v1/plugins/echo").await.json();
            let [pid] = children(host)[..] else { return None };
            (plugin["in_flight"].as_u64() >= Some(6)).then_some(pid)
        })
        .await;
        kill(first);
        until("another is ready", async || {
            let plugin = get(gateway.admin, "/admin/v1/plugins/echo").await.json();
            (plugin["restarts"] == restarts && plugin["state"] == "serving").then_some(())
        })
        .await;
    }
    stop.send(true).expect("they listen");
    let mut refused = BTreeMap::<_, u64>::new();
    while let Some(answers) = tokio::time::timeout(LIMIT, callers.join_next()).await.expect("they end") {
        answers.expect("typed").refused.into_iter().for_each(|(kind, n)| *refused.entry(kind).or_default() += n);
    }
    let lost = refused.remove(&(502, "TRANSPORT_1304".to_owned())).unwrap_or_default();
    assert!((5..=16).contains(&lost) && refused.is_empty(), "{lost} lost, {refused:?}");
    let log = gateway.program.logs(&["was killed by signal 9"]).await;
    assert!(!log.contains("circuit breaker"), "{log}");
}
