//! `demo`: what it prints works, it recovers from a kill, and it leaves nothing behind.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::{Client, LIMIT, Program, Signal, children, get, gone, has_line, kill, post, state, until};

const PLUGINS: [&str; 5] = ["greeter", "wordcount", "weather", "fahrenheit", "reverse"];

struct Demo {
    program: Program,
    data: SocketAddr,
    admin: SocketAddr,
    wordcount: u32,
}

/// Starts it on free ports, and reads the addresses and the process id where a reader would.
async fn demo() -> Demo {
    let mut program = Program::start(["demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    if let Err(status) = program.prints("Ctrl-C drains and stops").await {
        panic!("{status}: {}", program.stderr());
    }
    let text = program.stdout();
    let between = |before: &str, after: &str| {
        let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}")).1;
        rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?} in {text}")).0
    };
    let data: SocketAddr = between("curl -s http://", "/v1/plugins/greeter").parse().expect("an address");
    let admin: SocketAddr = between("Open\n  http://", "/metrics").parse().expect("an address");
    let wordcount = between("kill -9 ", " ").parse().expect("a process id");
    assert!(text.contains(&format!("plugins \\\n    --url http://{data} --admin http://{admin}")), "{text}");
    // Whatever the path of the program is.
    let path = env!("CARGO_BIN_EXE_gateway");
    for line in text.lines().map(|line| line.replace(path, "plugin-manager")) {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    Demo { program, data, admin, wordcount }
}

async fn answers(data: SocketAddr, plugin: &str, payload: &str, expected: serde_json::Value) {
    until(&format!("{plugin} answers"), async || {
        let answer = post(data, plugin, payload).await;
        if answer.status.is_success() {
            assert_eq!(answer.json(), expected);
            return Some(());
        }
        // The weather has its bad spells, and a process that is started again needs a moment.
        answer.problem();
        None
    })
    .await;
}

#[tokio::test]
async fn the_demo_serves_five_kinds_of_plugin_survives_kill_9_of_one_and_stops_at_ctrl_c() {
    let Demo { program, data, admin, wordcount } = demo().await;
    let text = program.stdout();
    let typed = text.split_once("in another terminal\n").expect("what to type").1;
    let typed = typed.split_once("  kill -9").expect("the last of them").0;
    // What is printed is typed as it is, but for curl, which may not be there.
    let typed: String = typed.lines().filter(|line| !line.contains("curl")).map(|line| format!("{line}\n")).collect();
    let limit = LIMIT.as_secs().to_string();
    let shell = std::process::Command::new("timeout").args([&limit, "sh", "-ec", &typed]).output().expect("sh");
    let said = String::from_utf8_lossy(&shell.stdout);
    assert!(shell.status.success(), "{typed}{said}{}", String::from_utf8_lossy(&shell.stderr));
    assert!(said.contains("wordcount") && said.contains("RESTARTS") && said.contains("{\"words\":6}"), "{said}");
    answers(data, "greeter", "\"you\"", json!({"greeting": "Hello, you!"})).await;
    answers(data, "wordcount", "\"to be or not to be\"", json!({"words": 6})).await;
    answers(data, "weather", "\"Lisbon\"", json!({"city": "Lisbon", "sky": "clear"})).await;
    answers(data, "fahrenheit", "100", json!({"fahrenheit": 212.0})).await;
    answers(data, "reverse", "\"stressed\"", json!({"reversed": "desserts"})).await;
    assert_eq!(get(admin, "/readyz").await.text(), "ready\n");
    assert_eq!(get(admin, "/healthz").await.text(), "ok\n");
    until("every plugin is healthy", async || {
        let health = get(admin, "/health").await.json();
        let well = PLUGINS.iter().all(|name| health["plugins"][name]["status"] == "healthy");
        (well && health["status"] == "healthy").then_some(())
    })
    .await;
    let metrics = get(admin, "/metrics").await;
    for plugin in PLUGINS {
        let calls = format!("plugin_requests_total{{plugin=\"{plugin}\",status=\"success\"}} ");
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(calls.as_str())).expect("a series");
        assert!(line.parse::<u64>().expect("a count") > 0, "{plugin}");
    }
    assert!(has_line(metrics.text(), "plugin_restarts_total{plugin=\"wordcount\"} 0"), "{}", metrics.text());

    assert_eq!(children(program.pid()), [wordcount]);
    kill(wordcount);
    until("its restart is counted", async || {
        let metrics = get(admin, "/metrics").await;
        has_line(metrics.text(), "plugin_restarts_total{plugin=\"wordcount\"} 1").then_some(())
    })
    .await;
    answers(data, "wordcount", "\"a b\"", json!({"words": 2})).await;
    let again = children(program.pid());
    assert!(again.len() == 1 && again[0] != wordcount, "one process, a new one: {again:?}");

    program.signal(Signal::INT);
    let ended = program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("stopped after"), "{ended:?}");
    assert_eq!(state(again[0]), None, "it was reaped");
    assert!(Client::new().call(data, "greeter", "1").await.is_none(), "the port is free");
}

#[tokio::test]
async fn no_process_is_left_when_the_demo_is_killed() {
    let Demo { program, wordcount, .. } = demo().await;
    assert_eq!(children(program.pid()), [wordcount]);
    program.signal(Signal::KILL);
    let ended = program.ends().await;
    assert_eq!(ended.code(), None, "{ended:?}");
    gone(wordcount).await;
}

#[tokio::test]
async fn the_demo_can_stop_by_itself_and_says_which_address_is_in_use() {
    let free = ["demo", "--listen", "127.0.0.1:0", "--admin-listen"];
    let ended = Program::start(free.iter().chain(&["127.0.0.1:0", "--stop-after", "50ms"])).ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let said = Program::start(free.iter().copied().chain([address.as_str()])).ends().await.failed(1);
    assert!(said.contains(&format!("`--admin-listen`: {address} is in use")), "{said}");
    let said = Program::start(["demo", "--listen", &address, "--admin-listen", "127.0.0.1:0"]).ends().await.failed(1);
    assert!(said.contains(&format!("`--listen`: {address} is in use")) && !said.contains("server.listen"), "{said}");
}
