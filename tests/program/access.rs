//! What the log has of requests, and what is said to who asks the wrong plane.

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{Gateway, LIMIT, Program, example, gateway, until};

/// Is fine until it is called.
const FRAIL: &str = "
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    if call['method'] == 'execute':
        sys.exit(3)
    print(json.dumps({'id': call['id'], 'result': {}}), flush=True)
";

/// A gateway with nothing but a plugin that echoes.
async fn with_echo(dir: &tempfile::TempDir) -> Gateway {
    let echo = example("plugins/echo.py");
    gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins: [{{name: echo, transport: exec, executable: python3, args: ['{echo}']}}]
"
        )
    })
    .await
}

#[tokio::test]
async fn the_access_log_has_the_requests_that_it_is_told_to_have() {
    for (log, good) in [("errors", false), ("all", true), ("off", false)] {
        let dir = tempfile::tempdir().expect("a directory");
        let (echo, frail) = (example("plugins/echo.py"), dir.path().join("frail.py"));
        std::fs::write(&frail, FRAIL).expect("written");
        let frail = frail.display();
        let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
            format!(
                "
server:
  listen: '{data}'
  access_log: {log}
  auth: [{{name: shop, method: bearer, token: open}}]
admin: {{listen: '{admin}'}}
plugins:
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
  - {{name: frail, transport: exec, executable: python3, args: ['{frail}'], retry: {{enabled: false}}}}
"
            )
        })
        .await;
        assert_eq!(gateway.command(&["call", "echo", "1", "--token", "open"]).await.worked(), "1\n");
        gateway.command(&["call", "frail", "1", "--token", "open"]).await.failed(1);
        gateway.command(&["call", "nobody", "1", "--token", "open"]).await.failed(1);
        gateway.command(&["call", "echo", "1", "--token", "shut"]).await.failed(1);
        let refused = "method=POST path=\"/v1/plugins/echo\" status=401";
        let failed = "method=POST path=\"/v1/plugins/nobody\" status=404 code=\"PLUGIN_1201\" request_id=";
        let is_broken = |line: &&str| line.contains(" WARN ") && line.contains("status=502 code=\"TRANSPORT_1304\"");
        if log == "off" {
            let said = gateway.program.stderr();
            assert!(!said.contains("/v1/plugins/"), "{said}");
            continue;
        }
        let said = until("the lines are in the log", async || {
            let said = gateway.program.stderr();
            (said.contains(refused) && said.contains(failed)).then_some(said)
        })
        .await;
        let served = said.lines().find(|line| line.contains("path=\"/v1/plugins/echo\" status=200"));
        assert_eq!(served.is_some(), good, "{log}: {said}");
        assert!(served.is_none_or(|line| line.contains("who=\"shop\"") && line.contains("took_ms=")), "{said}");
        let broken = said.lines().find(is_broken).unwrap_or_else(|| panic!("{said}"));
        let told = ["plugin=\"frail\" reason=\"", " client=127.0.0.0 took_ms="];
        assert!(told.iter().all(|told| broken.contains(told)), "{broken}");
        assert!(said.lines().any(|line| line.contains(" INFO ") && line.contains(failed)), "{said}");
        assert!(!said.contains("open") && !said.contains("shut\""), "no token is in it: {said}");
    }
}

/// It had none of plugin, request and status, so that who searched for a plugin did not find it.
#[tokio::test]
async fn the_line_of_a_client_that_left_says_which_request_of_which_plugin_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let web = silent.local_addr().expect("an address");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}', access_log: errors, auth: [{{name: shop, method: bearer, token: open}}]}}
admin: {{listen: '{admin}'}}
plugins: [{{name: hangs, transport: http, endpoint: 'http://{web}/', health_check: {{enabled: false}}}}]
"
        )
    })
    .await;
    let mut client = TcpStream::connect(gateway.data).await.expect("it listens");
    let head = "POST /v1/plugins/hangs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                authorization: Bearer open\r\nx-request-id: order-17\r\ncontent-length: 1\r\n\r\n1";
    client.write_all(head.as_bytes()).await.expect("sent");
    let _asked = timeout(LIMIT, silent.accept()).await.expect("it is called").expect("a connection");
    drop(client);
    let line = "request, client gone method=POST path=\"/v1/plugins/hangs\" status=499 request_id=\"order-17\" \
                who=\"shop\" plugin=\"hangs\" client=127.0.0.0 took_ms=";
    gateway.program.logs(&[line]).await;
}

#[tokio::test]
async fn who_asks_the_other_plane_is_told_which_flag_names_which() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = with_echo(&dir).await;
    let swapped = [format!("--admin=http://{}", gateway.data), format!("--url=http://{}", gateway.admin)];
    for (command, says) in [
        (&["plugins"][..], "this is the data plane"),
        (&["drain", "echo"], "this is the data plane"),
        (&["call", "echo", "1"], "this is the admin plane"),
    ] {
        let command: Vec<_> = command.iter().copied().chain(swapped.iter().map(String::as_str)).collect();
        let said = gateway.command(&command).await.failed(1);
        assert!(said.contains(says) && said.contains("the admin plane what --admin names"), "{command:?}: {said}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_json_too_where_json_is_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = with_echo(&dir).await;
    let told = async |command: &[&str], code: i32| {
        let ended = gateway.command(command).await;
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(code), ""), "{ended:?}");
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
    };
    let named = ["call", "plugins", "drain", "restart", "enable", "disable"];
    for command in named {
        let refused = told(&[command, "nobody", "--json"], 1).await;
        let says = (&refused["code"], &refused["status"], &refused["plugin"]);
        assert_eq!(says, (&"PLUGIN_1201".into(), &404.into(), &"nobody".into()), "{command}");
        let wrong = told(&["--json", command, "a/b"], 2).await;
        assert!(wrong["detail"].as_str().expect("a sentence").contains("must not"), "{command}: {wrong}");
    }
    // Something that listens and is no gateway.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = other.local_addr().expect("an address");
    let other = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = other.accept().await.expect("accepted");
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops").await;
        }
    });
    let all = named.map(|command| vec![command, "echo"]).into_iter();
    for command in all.chain([vec!["plugins"], vec!["status"], vec!["health"]]) {
        for (to, code, says) in [
            ("http://127.0.0.1:1".to_owned(), 1, "no gateway answers at 127.0.0.1:1"),
            ("ftp://x".to_owned(), 2, "does not begin with http://"),
            (format!("http://{address}"), 1, "the gateway answered 500"),
        ] {
            let to = [command.clone(), vec!["--json", "--admin", &to, "--url", &to]].concat();
            let failed = told(&to, code).await;
            assert!(failed["detail"].as_str().is_some_and(|said| said.contains(says)), "{to:?}: {failed}");
        }
        let wrong = told(&[&command[..], &["--json", "--colour"]].concat(), 2).await;
        assert!(wrong["detail"].as_str().is_some_and(|said| said.contains("--colour")), "{command:?}: {wrong}");
    }
    other.abort();
    let wrong = told(&["call", "echo", "you", "--json"], 2).await;
    assert!(wrong["detail"].as_str().expect("a sentence").contains("a text is written in quotes"), "{wrong}");
    for (args, code) in [
        (&["validate", "--json", "-c", "-", "--env", "x"][..], 2),
        (&["--json", "validate", "-c", "/nowhere.yaml"], 2),
        (&["validate", "--json"], 2),
        (&["frobnicate", "--json"], 2),
    ] {
        let ended = Program::start(args.iter().copied()).ends().await;
        let said = serde_json::from_str::<serde_json::Value>(&ended.stdout);
        assert!(ended.code() == Some(code) && ended.stderr.is_empty() && said.is_ok(), "{ended:?}");
    }
    let said = gateway.command(&["schema"]).await.failed(2);
    assert!(said.contains("--url is for the commands that talk to a running gateway"), "{said}");
}
