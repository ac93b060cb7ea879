//! Answers that come before a client has sent everything.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{Gateway, LIMIT, Program, Signal, example, gateway, until};

/// More than the buffers of both ends take.
const LARGE: usize = 20 << 20;

async fn small_gateway(dir: &tempfile::TempDir) -> Gateway {
    let echo = example("plugins/echo.py");
    gateway(&dir.path().join("gateway.yaml"), &[], |data: SocketAddr, admin| {
        format!(
            "
server: {{listen: '{data}', max_body: 1KiB}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
"
        )
    })
    .await
}

/// As Python's urllib does it: everything is sent before anything is read. It used to get a broken pipe.
#[tokio::test]
async fn a_client_that_reads_only_when_it_has_sent_all_gets_its_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = small_gateway(&dir).await;
    for head in [
        "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n",
        "POST /v1/plugins/nobody HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n",
        "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n",
    ] {
        let exchange = async {
            let mut client = TcpStream::connect(gateway.data).await.expect("it listens");
            client.write_all(format!("{head}content-length: {LARGE}\r\n\r\n").as_bytes()).await.expect("sent");
            client.write_all(&vec![b' '; LARGE]).await.expect("all of it is taken");
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.expect("no reset");
            answer
        };
        let answer = timeout(LIMIT, exchange).await.expect("in time");
        assert!(
            ["413", "404", "415"].iter().any(|status| answer.starts_with(&format!("HTTP/1.1 {status} "))),
            "{answer}"
        );
        assert!(answer.contains("\"code\":\"PLUGIN_1"), "{answer}");
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_payload_is_not_asked_for_one_that_is_too_large() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = small_gateway(&dir).await;
    let exchange = async {
        let mut client = TcpStream::connect(gateway.data).await.expect("it listens");
        let head = "POST /v1/plugins/echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let head = format!("{head}expect: 100-continue\r\ncontent-length: {LARGE}\r\n\r\n");
        client.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("no reset");
        answer
    };
    let answer = timeout(LIMIT, exchange).await.expect("in time");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn call_says_what_was_wrong_with_a_payload_that_is_too_large() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = small_gateway(&dir).await;
    let payload = format!("\"{}\"", "x".repeat(4 << 20));
    for _ in 0..5 {
        let said = gateway.command_with(&["call", "echo", "-"], &[], &payload).await.failed(1);
        assert!(said.contains("the payload is larger than 1024 bytes") && said.contains("PLUGIN_1207"), "{said}");
    }
}

/// A server that closes while it is being sent to, with or without an answer.
async fn closes_early(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = [0; 64];
            client.read_exact(&mut head).await.expect("a head");
            client.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    address
}

#[tokio::test]
async fn call_reads_the_answer_of_a_server_that_takes_no_more_and_takes_none_for_no_gateway() {
    let document = r#"{"title":"x","detail":"far too large","code":"PLUGIN_1207","plugin":"echo"}"#;
    let answer: &str = format!(
        "HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
    .leak();
    for (answer, expected) in
        [(answer, "echo: far too large (PLUGIN_1207)"), ("", "broke off before there was an answer")]
    {
        let url = format!("http://{}", closes_early(answer).await);
        let payload = "1".repeat(LARGE);
        let said = Program::start_with(["--url", &url, "call", "echo", "-"], &[], &payload).ends().await.failed(1);
        assert!(said.contains(expected) && !said.contains("Start one with"), "{said}");
    }
}

#[tokio::test]
async fn call_says_that_a_gateway_is_stopping() {
    let dir = tempfile::tempdir().expect("a directory");
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let web = silent.local_addr().expect("an address");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data: SocketAddr, admin| {
        let plugin =
            format!("{{name: hangs, transport: http, endpoint: 'http://{web}/', health_check: {{enabled: false}}}}");
        format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\nplugins: [{plugin}]\n")
    })
    .await;
    let url = format!("http://{}", gateway.data);
    let _call = Program::start(["--url", &url, "call", "hangs", "1"]);
    let (_asked, _) = timeout(LIMIT, silent.accept()).await.expect("it is called").expect("a connection");
    gateway.program.signal(Signal::TERM);
    until("its port is closed", async || TcpStream::connect(gateway.data).await.err()).await;
    let said = gateway.command(&["call", "hangs", "1"]).await.failed(1);
    assert!(said.contains("is stopping and takes no calls any more"), "{said}");
}
