//! Signals: calls in flight may end, unless somebody insists.

use std::{
    io::{PipeReader, PipeWriter, Write},
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
};

use plugin_core::{Call, PluginError, Reply};
use plugin_transports::{
    http::{ServerOptions, serve},
    inproc::plugin_fn,
    json,
    listen::Serving,
};
use rustix::fs::{OFlags, fcntl_setfl};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::support::{
    Client, Gateway, LIMIT, Program, Signal, children, example, gateway, get, gone, has_line, kill, ports, post, until,
};

/// A plugin that answers when it may, and says when it was asked.
struct Slow {
    serving: Serving,
    asked: Arc<Semaphore>,
    may: Arc<Semaphore>,
}

async fn slow() -> Slow {
    let (asked, may) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let plugin = {
        let (asked, may) = (Arc::clone(&asked), Arc::clone(&may));
        json::serve(plugin_fn(move |call: Call<Value>| {
            let (asked, may) = (Arc::clone(&asked), Arc::clone(&may));
            async move {
                asked.add_permits(1);
                may.acquire().await.expect("never closed").forget();
                Ok::<_, PluginError>(Reply::new(call.into_payload()))
            }
        }))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Slow { serving: serve(plugin, listener, ServerOptions::new()).expect("it serves"), asked, may }
}

async fn gateway_of(slow: &Slow, dir: &tempfile::TempDir) -> Gateway {
    let (web, echo) = (slow.serving.local_addr(), example("plugins/echo.py"));
    gateway(&dir.path().join("gateway.yaml"), &[], |data: SocketAddr, admin| {
        format!(
            "
server: {{listen: '{data}', access_log: errors}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: slow, transport: http, endpoint: 'http://{web}/'}}
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
"
        )
    })
    .await
}

#[tokio::test]
async fn sigterm_lets_calls_in_flight_end_and_takes_no_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let mut gateway = gateway_of(&slow, &dir).await;
    let (data, admin) = (gateway.data, gateway.admin);
    let call = tokio::spawn(async move { post(data, "slow", "[1, 2]").await });
    slow.asked.acquire().await.expect("never closed").forget();
    gateway.program.signal(Signal::TERM);
    gateway.program.prints("stopping: calls in flight may finish").await.expect("it waits");
    until("it is not ready any more", async || (get(admin, "/readyz").await.status == 503).then_some(())).await;
    until("its port is closed", async || tokio::net::TcpStream::connect(data).await.err()).await;
    assert!(!call.is_finished() && !gateway.program.has_ended());
    slow.may.add_permits(1);
    let answer = call.await.expect("no panic");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "[1,2]"));
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("stopped after"), "{ended:?}");
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let mut gateway = gateway_of(&slow, &dir).await;
    let echo = children(gateway.program.pid());
    assert_eq!(echo.len(), 1);
    let url = format!("http://{}", gateway.data);
    let call = Program::start(["--url", &url, "call", "slow", "1"]);
    slow.asked.acquire().await.expect("never closed").forget();
    gateway.program.signal(Signal::INT);
    gateway.program.prints("a second Ctrl-C stops at once").await.expect("it waits");
    gateway.program.signal(Signal::INT);
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    // Its caller was there, and is told no more than is known.
    let line = "WARN request, cut off: the gateway was told to stop at once method=POST \
                path=\"/v1/plugins/slow\" code=\"LIFECYCLE_2102\" request_id=";
    assert!(ended.stderr.contains(line) && !ended.stderr.contains("client gone"), "{ended:?}");
    let said = call.ends().await.failed(1);
    assert!(
        said.contains("broke off before there was an answer") && said.contains("may have been done all the same"),
        "{said}"
    );
    gone(echo[0]).await;
}

#[tokio::test]
async fn calls_in_flight_end_even_when_nobody_reads_the_log_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let mut gateway = gateway_of(&slow, &dir).await;
    let data = gateway.data;
    let call = tokio::spawn(async move { post(data, "slow", "1").await });
    slow.asked.acquire().await.expect("never closed").forget();
    gateway.program.stop_reading();
    kill(children(gateway.program.pid())[0]);
    until("what happened was logged to nobody, and counted", async || {
        let metrics = get(gateway.admin, "/metrics").await;
        has_line(metrics.text(), "plugin_restarts_total{plugin=\"echo\"} 1").then_some(())
    })
    .await;
    gateway.program.signal(Signal::TERM);
    until("its port is closed", async || tokio::net::TcpStream::connect(data).await.err()).await;
    slow.may.add_permits(1);
    assert_eq!(call.await.expect("no panic").text(), "1");
    assert_eq!(gateway.program.ends().await.code(), Some(0));
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut program = Program::start(["schema"]);
    program.stop_reading();
    assert_eq!(program.ends().await.code(), Some(0));
}

/// A pager that stands still, or a log driver that is stuck.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = "
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        for number in range(5000):
            sys.stderr.write('line %d %s\\n' % (number, 'x' * 300))
        sys.stderr.flush()
    print(json.dumps({'id': request['id'], 'result': request['payload']}), flush=True)
";
    std::fs::write(dir.path().join("chatty.py"), plugin).expect("written");
    let path = dir.path().display().to_string();
    let mut gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: chatty, transport: exec, executable: python3, args: [chatty.py], work_dir: '{path}', stderr: {{lines_per_second: 1000000}}}}
"
        )
    })
    .await;
    gateway.program.hold_stderr(true);
    assert_eq!(post(gateway.data, "chatty", "1").await.text(), "1");
    assert_eq!(get(gateway.admin, "/healthz").await.status.as_u16(), 200);
    assert_eq!(post(gateway.data, "chatty", "2").await.text(), "2");
    until("the metrics count the lines that were dropped", async || {
        let page = get(gateway.admin, "/metrics").await;
        let page = page.text();
        let dropped = page.lines().find_map(|line| line.strip_prefix("plugin_manager_dropped_log_lines_total "));
        dropped.is_some_and(|count| count.parse::<u64>().expect("a count") > 0).then_some(())
    })
    .await;
    gateway.program.hold_stderr(false);
    gateway.program.prints("lines of the log were dropped").await.expect("it runs");
    gateway.program.hold_stderr(true);
    assert_eq!(post(gateway.data, "chatty", "3").await.text(), "3");
    gateway.program.signal(Signal::TERM);
    until("it has ended", async || gateway.program.has_ended().then_some(())).await;
    gateway.program.hold_stderr(false);
    assert_eq!(gateway.program.ends().await.code(), Some(0));
}

/// The writing end of a pipe that nobody reads and that takes no more, and the other end.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("a pipe");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    // What is written next waits, as it does in a terminal's pager.
    fcntl_setfl(&writer, OFlags::empty()).expect("a pipe");
    (reader, writer)
}

/// It was written by the task that listens for signals: only SIGKILL ended it.
#[tokio::test]
async fn a_standard_output_that_takes_nothing_stops_neither_a_gateway_nor_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_reader, pipe) = full_pipe();
    let disk = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let outs: [Stdio; 2] = [pipe.into(), disk.into()];
    for out in outs {
        let (file, (data, admin)) = (dir.path().join("gateway.yaml"), ports());
        let echo =
            format!("{{name: echo, transport: exec, executable: python3, args: ['{}']}}", example("plugins/echo.py"));
        std::fs::write(
            &file,
            format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\nplugins: [{echo}]\n"),
        )
        .expect("written");
        let program = Program::start_unread(["run".as_ref(), "--config".as_ref(), file.as_os_str()], out);
        until("it is ready", async || {
            let request = http::Request::get(format!("http://{admin}/readyz")).body(Default::default()).ok()?;
            (Client::new().send(request).await?.status == 200).then_some(())
        })
        .await;
        assert_eq!(post(data, "echo", "1").await.text(), "1");
        program.signal(Signal::TERM);
        let ended = program.ends().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.stderr.contains("stopped after"), "{ended:?}");
    }
    let (_reader, pipe) = full_pipe();
    let any = "127.0.0.1:0";
    let args = ["demo", "--listen", any, "--admin-listen", any, "--stop-after", "1s"];
    let ended = Program::start_unread(args, pipe).ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

#[tokio::test]
async fn neither_a_terminal_that_is_closed_nor_a_log_that_is_full_ends_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let mut gateway = gateway_of(&slow, &dir).await;
    // What the kernel sends where a file is to grow beyond `ulimit -f`.
    gateway.program.signal(Signal::XFSZ);
    gateway.program.signal(Signal::HUP);
    gateway.program.prints("SIGHUP is ignored").await.expect("it goes on");
    assert_eq!(post(gateway.data, "echo", "1").await.text(), "1");
    gateway.program.signal(Signal::TERM);
    assert_eq!(gateway.program.ends().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_while_plugins_are_started_leaves_none_of_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    let (data, admin) = crate::support::ports();
    let plugin = "{name: mute, transport: exec, executable: sleep, args: ['1000']}";
    let text =
        format!("server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}'}}\nlame_duck: 1h\nplugins:\n  - {plugin}\n");
    std::fs::write(&file, text).expect("written");
    let program = Program::start(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
    let child = until("its plugin runs", async || children(program.pid()).first().copied()).await;
    program.signal(Signal::TERM);
    let ended = program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let said = "stopped while its plugins were being started: without the lame duck, since /readyz was 503 all along";
    assert!(ended.stderr.contains(said), "{ended:?}");
    gone(child).await;
}

/// A gateway whose one plugin, `slow`, answers when it may.
async fn gateway_with(slow: &Slow, dir: &tempfile::TempDir, head: &str) -> Gateway {
    let web = slow.serving.local_addr();
    gateway(&dir.path().join("gateway.yaml"), &[], |data: SocketAddr, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
{head}
plugins:
  - {{name: slow, transport: http, endpoint: 'http://{web}/'}}
"
        )
    })
    .await
}

/// It used to be a connection that was closed without a byte.
#[tokio::test]
async fn a_call_that_is_not_waited_for_any_longer_is_told_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let gateway = gateway_with(&slow, &dir, "shutdown_timeout: 200ms").await;
    let data = gateway.data;
    let call = tokio::spawn(async move { post(data, "slow", "1").await });
    slow.asked.acquire().await.expect("never closed").forget();
    gateway.program.signal(Signal::TERM);
    let answer = call.await.expect("no panic");
    assert_eq!(answer.problem(), (503, "LIFECYCLE_2102".to_owned()));
    let said = answer.json();
    assert_eq!((&said["plugin"], &said["sent"]), (&Value::from("slow"), &Value::from("maybe")), "{said}");
    assert!(said["request_id"].is_string(), "{said}");
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("slow: 1 call did not finish"), "{ended:?}");
}

/// Connections whose clients have sent a part of a request used to cost the whole of `shutdown_timeout`.
#[tokio::test]
async fn what_a_client_has_not_sent_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let gateway = gateway_with(&slow, &dir, "shutdown_timeout: 1h").await;
    let connect = async |sent: &str| {
        let mut client = TcpStream::connect(gateway.data).await.expect("it listens");
        client.write_all(sent.as_bytes()).await.expect("sent");
        client
    };
    let head = "POST /v1/plugins/slow HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let mut half_body = connect(&format!("{head}content-length: 100\r\n\r\n[1")).await;
    let mut half_head = connect(head).await;
    let mut silent = connect("").await;
    // All three were accepted before this one.
    assert_eq!(get(gateway.data, "/").await.status, 404);
    gateway.program.signal(Signal::TERM);
    let read = async |client: &mut TcpStream| {
        let mut text = String::new();
        // Its end may be a reset.
        let _ = tokio::time::timeout(LIMIT, client.read_to_string(&mut text)).await.expect("an end");
        text
    };
    let answer = read(&mut half_body).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("LIFECYCLE_2102"), "{answer}");
    assert_eq!([read(&mut half_head).await, read(&mut silent).await], ["", ""]);
    let ended = gateway.program.ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_lame_duck_serves_until_its_time_is_up_or_a_second_signal_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    slow.may.add_permits(100);
    for (lame_duck, signals) in [("1h", 2), ("300ms", 1)] {
        let mut gateway = gateway_with(&slow, &dir, &format!("lame_duck: {lame_duck}")).await;
        assert_eq!(get(gateway.admin, "/readyz").await.text(), "ready\n");
        gateway.program.signal(Signal::TERM);
        gateway.program.prints("leaving: not ready any more").await.expect("it goes on");
        if signals == 2 {
            let ready = get(gateway.admin, "/readyz").await;
            assert_eq!((ready.status.as_u16(), ready.text()), (503, "shutting down\n"));
            assert_eq!(get(gateway.admin, "/admin/v1/status").await.json()["shutting_down"], true);
            assert_eq!(post(gateway.data, "slow", "[1]").await.text(), "[1]");
            gateway.program.signal(Signal::TERM);
        }
        let ended = gateway.program.ends().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.stderr.contains("stopped after"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_log_of_json_is_json_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow = slow().await;
    let head = "logging: {format: json}\nshutdown_timeout: 100ms";
    let gateway = gateway_with(&slow, &dir, head).await;
    let data = gateway.data;
    let call = tokio::spawn(async move { Client::new().call(data, "slow", "1").await });
    slow.asked.acquire().await.expect("never closed").forget();
    gateway.program.signal(Signal::TERM);
    let ended = gateway.program.ends().await;
    assert!(call.await.expect("no panic").is_some());
    let events: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}\n{}", ended.stderr)))
        .collect();
    let said =
        |text: &str| events.iter().find(|event| event["message"].as_str().is_some_and(|said| said.contains(text)));
    let stopping = said("stopping: calls in flight may finish").expect("it is told when it begins");
    assert_eq!((&stopping["calls"], &stopping["level"]), (&Value::from(1), &Value::from("INFO")), "{stopping}");
    assert_eq!(said("slow: 1 call did not finish").expect("it is told what was cut")["level"], "ERROR");
    assert_eq!(said("stopped after").expect("it is told when it has ended")["clean"], false);
}
