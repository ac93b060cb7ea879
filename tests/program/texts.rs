//! What others have written, on its way through a command to a terminal. Whoever listens where a gateway is looked for may say
//! anything, so that one that says the worst stands here for a gateway.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use serde_json::{Value, json};

use crate::support::{Ended, Program, gateway};

/// Clears a screen, rings, begins its line anew, is a `ESC [` of one character, and begins a line.
const EVIL: &str = "a\u{1b}[2J\u{7}\r\u{9b}31m\u{7f}\nforged";

/// Listens, and answers each request for a path with what that makes.
fn gateway_that_says(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let (mut head, mut part) = (String::new(), [0; 4096]);
            while !head.contains("\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(read @ 1..) => head.push_str(&String::from_utf8_lossy(&part[..read])),
                    _ => break,
                }
            }
            let (status, body) = answer(head.split(' ').nth(1).unwrap_or_default());
            let head = format!(
                "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    url
}

async fn run(url: &str, args: &[&str]) -> Ended {
    Program::start(args.iter().copied().chain(["--url", url, "--admin", url])).ends().await
}

const COMMANDS: [&[&str]; 9] = [
    &["call", "x", "1"],
    &["status"],
    &["plugins"],
    &["plugins", "x"],
    &["health"],
    &["drain", "x"],
    &["restart", "x"],
    &["enable", "x"],
    &["disable", "x"],
];

#[track_caller]
fn is_harmless(what: &str, printed: &str) {
    let harmful = printed.chars().find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(harmful, None, "{what}: {printed:?}");
    assert!(!printed.lines().any(|line| line.starts_with("forged")), "{what}: {printed}");
}

/// All that a gateway tells, where each text that it may have from others is the worst.
fn told(path: &str) -> Value {
    let certificate = json!({"names": [EVIL], "refused": EVIL, "refused_since_ms": 1});
    let plugin = json!({
        "name": EVIL, "version": EVIL, "transport": EVIL, "state": EVIL, "breaker": "open", "breaker_next_try": EVIL,
        "next_start": EVIL, "clean": false, "took": EVIL, "close_error": EVIL, "circuit": {"opened": 1, "last_open_time": EVIL},
        "health": {"status": EVIL, "message": EVIL, "since_ms": 1}, "metadata": {EVIL: EVIL}, "restarts": 1,
        "calls": {"total": 1, "success_rate_percent": EVIL, "p99": EVIL, "errors": {EVIL: 1}},
        "last_failure": {"at_ms": 1, "code": EVIL, "instance": EVIL, "message": EVIL},
        "last_end": {"at_ms": 1, "why": EVIL, "said": format!("{EVIL}:\nfirst\n{EVIL}\nlast")},
        "retry": {"enabled": true, "retries": 1, "gave_up": {EVIL: 1}}, "certificate": certificate,
        "instances": [{"name": EVIL, "health": EVIL, "average_latency": EVIL, "total": 1}],
    });
    match path {
        "/admin/v1/plugins" => json!([plugin]),
        "/admin/v1/status" => json!({"uptime": EVIL, "version": EVIL, "in_flight": EVIL, "certificates": [
            {"listener": EVIL, "names": [EVIL], "refused": EVIL, "refused_since_ms": 1, "unanswered": true},
        ]}),
        "/admin/v1/health" => json!({"status": "healthy", "message": EVIL, "plugins": {
            EVIL: {"status": EVIL, "breaker": EVIL, "response_time": EVIL},
            "well\u{9b}": {"status": "healthy", "message": EVIL},
        }}),
        _ => plugin,
    }
}

#[tokio::test]
async fn no_text_of_an_answer_moves_a_cursor_or_forges_a_line_in_any_command() {
    let good = gateway_that_says(|path| (200, told(path).to_string()));
    let bad = gateway_that_says(|_| {
        let problem = json!({"plugin": EVIL, "code": EVIL, "title": EVIL, "detail": EVIL, "plugin_detail": "one\n\u{1b}two\u{9b}"});
        (502, problem.to_string())
    });
    for command in COMMANDS {
        let what = command.join(" ");
        let ended = run(&good, command).await;
        assert!(
            ended.stdout.contains("a\\u") || ended.stderr.contains("a\\u"),
            "{what} shows nothing of it: {ended:?}"
        );
        is_harmless(&what, &ended.stdout);
        is_harmless(&what, &ended.stderr);
        let said = run(&bad, command).await.failed(1);
        assert!(said.contains("\none\n\\u{1b}two"), "{what}: {said}");
        is_harmless(&what, &said);
        for url in [&good, &bad] {
            let ended = run(url, &[command, &["--json"]].concat()).await;
            is_harmless(&what, &ended.stdout);
            assert!(serde_json::from_str::<Value>(&ended.stdout).is_ok(), "{what}: {ended:?}");
            assert_eq!(ended.stderr, "", "{what}");
        }
    }
}

#[tokio::test]
async fn what_a_plugin_answers_to_a_call_is_the_same_json_and_moves_no_cursor() {
    for (answer, printed) in [
        (
            "{\"data\": 1e999,\r\n\t\"d\": \"é\u{9b}31m\u{7f}\"}",
            "{\"data\": 1e999, \n\t\"d\": \"é\\u009b31m\\u007f\"}\n",
        ),
        ("<html>\u{1b}[2J\nforged", "<html>\\u{1b}[2J\\nforged\n"),
    ] {
        let url = gateway_that_says(move |_| (200, answer.to_owned()));
        assert_eq!(run(&url, &["call", "x", "1"]).await.worked(), printed);
    }
}

#[tokio::test]
async fn what_a_process_said_last_stands_on_one_line_line_by_line_and_is_cut() {
    let url = gateway_that_says(|path| {
        let said = format!("the end of its stderr:\n{}\n  boom()\n\u{1b}[31mValueError: away", "x".repeat(400));
        let plugin = json!({"name": "p", "state": "failed", "restarts": 1, "last_end": {"at_ms": 1, "why": "exited", "said": said}});
        (200, if path.ends_with("plugins") { json!([plugin]) } else { plugin }.to_string())
    });
    let last = "the end of its stderr: ... | boom() | \\u{1b}[31mValueError: away";
    let said = run(&url, &["plugins"]).await.worked();
    assert!(said.ends_with(&format!("; {last}\n")), "{said}");
    let said = run(&url, &["plugins", "p"]).await.worked().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(last), "{said}");
}

#[tokio::test]
async fn of_a_disk_that_does_not_answer_nobody_says_what_its_files_hold() {
    for (unanswered, says) in [(true, "what its files hold is not known"), (false, "what its files hold for")] {
        let url = gateway_that_says(move |_| {
            let one = json!({"listener": "server", "names": ["a"], "refused": "why", "refused_since_ms": 1, "unanswered": unanswered});
            (200, json!({"in_flight": 0, "certificates": [one]}).to_string())
        });
        let said = run(&url, &["status"]).await.worked();
        assert!(said.contains(&format!("certificate of server: a; {says}")), "{said}");
    }
}

#[tokio::test]
async fn a_log_in_json_moves_no_cursor() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin =
        gateway_that_says(|_| (200, json!({"status": "degraded", "message": "it is \u{9b}31mred\u{7f}"}).to_string()));
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        let health = json!({"interval": "50ms"});
        let plugin = json!({"name": "ill", "transport": "http", "endpoint": plugin, "health_check": health});
        let (data, admin) = (data.to_string(), admin.to_string());
        json!({
            "logging": {"format": "json"}, "server": {"listen": data}, "admin": {"listen": admin}, "plugins": [plugin],
        })
        .to_string()
    })
    .await;
    let log = gateway.program.logs(&["31mred"]).await;
    let (lines, _) = log.rsplit_once('\n').expect("whole lines");
    is_harmless("the log", lines);
    for line in lines.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_place_that_is_none_gets_no_token_and_no_password_is_printed() {
    let env = |url| [("PLUGIN_MANAGER_URL", url), ("PLUGIN_MANAGER_ADMIN", url), ("PLUGIN_MANAGER_TOKEN", "hunter2")];
    for (url, says) in [
        ("http://127.0.0.1:99999", "\"http://127.0.0.1:99999\" has a port that is not from 1 to 65535"),
        ("http://me:hunter2@127.0.0.1:1", "\"http://***@127.0.0.1:1\" holds credentials"),
        ("https://me:hunter2@127.0.0.1:1", "\"https://***@127.0.0.1:1\" does not begin with http://"),
        ("me:hunter2@127.0.0.1:1", "\"***@127.0.0.1:1\" is not a URL"),
        ("http://127.0.0.1:1/?token=hunter2", "\"http://127.0.0.1:1/?***\" has something behind its path"),
    ] {
        for command in COMMANDS {
            let what = format!("{} {url}", command.join(" "));
            let said = run(url, command).await.failed(2);
            assert!(said.contains(says) && !said.contains("hunter2"), "{what}: {said}");
            let said = Program::start_with(command, &env(url), "").ends().await.failed(2);
            assert!(said.contains(says) && !said.contains("hunter2"), "{what}: {said}");
        }
        let ended = run(url, &["status", "--json"]).await;
        let detail = serde_json::from_str::<Value>(&ended.stdout).expect("JSON")["detail"].to_string();
        assert!(ended.code() == Some(2) && !detail.contains("hunter2"), "{ended:?}");
    }
}
