//! What one who does not read, does not send and does not ask may do, for as long as it is given: a second or two in the
//! tests, a minute in the soak.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use plugin_core::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{Client, Gateway, children, gateway, get, gone, post};

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);
/// Within this a call to a plugin that answers at once has its answer, whatever others do, on two busy cores.
const PROMPT: Duration = Duration::from_secs(5);
/// By so much a gateway may have grown at its end: queues and pools fill up once and stay.
const GROWTH: u64 = 64 << 20;

/// A plugin that writes as many lines to its log as its payload says, and answers with it.
const CHATTY: &str = "
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request['method'] == 'execute':
        for number in range(request['payload']):
            sys.stderr.write('line %d %s\\n' % (number, 'x' * 300))
        sys.stderr.flush()
    print(json.dumps({'id': request['id'], 'result': request.get('payload')}), flush=True)
";

/// A gateway with this plugin and this in its section `server` besides.
async fn serve(dir: &Path, server: &str) -> Gateway {
    fs::write(dir.join("chatty.py"), CHATTY).expect("written");
    let path = dir.display();
    gateway(&dir.join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'{server}}}
admin: {{listen: '{admin}'}}
plugins:
  - {{name: chatty, transport: exec, executable: python3, args: [chatty.py], work_dir: '{path}'}}
"
        )
    })
    .await
}

/// The memory that a process has in use, in bytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Asserts that a call and a probe are answered in time.
async fn is_prompt(gateway: &Gateway, payload: &str) {
    let both = async {
        assert_eq!(post(gateway.data, "chatty", payload).await.text(), payload);
        assert_eq!(get(gateway.admin, "/healthz").await.status.as_u16(), 200);
    };
    tokio::time::timeout(PROMPT, both).await.expect("in time, whatever others do");
}

async fn a_log_that_nobody_reads(for_this_long: Duration) {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = serve(dir.path(), "").await;
    is_prompt(&gateway, "100").await;
    gateway.program.hold_stderr(true);
    let (before, began) = (memory(gateway.program.pid()), clock::now());
    while began.elapsed() < for_this_long {
        is_prompt(&gateway, "1000").await;
    }
    let after = memory(gateway.program.pid());
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_no_call_its_answer() {
    a_log_that_nobody_reads(SHORT).await;
}

#[tokio::test]
#[ignore = "soak: a minute"]
async fn soak_a_log_that_nobody_reads_costs_no_call_its_answer() {
    a_log_that_nobody_reads(LONG).await;
}

/// Sends this, then no more, reads nothing, and waits until it is hung up on; again and again.
async fn hold(data: SocketAddr, sends: Vec<u8>) {
    loop {
        let Ok(mut stream) = TcpStream::connect(data).await else { continue };
        if stream.write_all(&sends).await.is_err() {
            continue;
        }
        // Bytes are left where they are for a while: whoever reads at once holds nothing.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    }
}

async fn clients_that_hold_what_they_can(for_this_long: Duration) {
    let dir = tempfile::tempdir().expect("a directory");
    let bounds = ", header_timeout: 300ms, idle_timeout: 300ms, body_timeout: 300ms, write_timeout: 300ms";
    let gateway = serve(dir.path(), bounds).await;
    is_prompt(&gateway, "1").await;
    let (before, began) = (memory(gateway.program.pid()), clock::now());
    let head = "POST /v1/plugins/chatty HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let kinds: [Vec<u8>; 5] = [
        Vec::new(),
        head.as_bytes()[..40].to_vec(),
        format!("{head}content-length: 1000000\r\n\r\n[").into_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n[\r\n").into_bytes(),
        format!("{head}content-length: 1\r\n\r\n1").repeat(100).into_bytes(),
    ];
    let mut holders: JoinSet<()> = (0..20).flat_map(|_| kinds.clone()).map(|kind| hold(gateway.data, kind)).collect();
    while began.elapsed() < for_this_long {
        is_prompt(&gateway, "1").await;
    }
    holders.shutdown().await;
    let after = memory(gateway.program.pid());
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
    let kept = Client::new();
    assert!(kept.call(gateway.data, "chatty", "2").await.expect("an answer").status.is_success());
}

#[tokio::test]
async fn clients_that_hold_what_they_can_cost_no_call_its_answer() {
    clients_that_hold_what_they_can(SHORT).await;
}

#[tokio::test]
#[ignore = "soak: a minute"]
async fn soak_clients_that_hold_what_they_can_cost_no_call_its_answer() {
    clients_that_hold_what_they_can(LONG).await;
}

async fn hosts_that_are_killed(for_this_long: Duration) {
    let began = clock::now();
    let mut round = 0_u32;
    while began.elapsed() < for_this_long {
        let dir = tempfile::tempdir().expect("a directory");
        let gateway = serve(dir.path(), "").await;
        let left = children(gateway.program.pid());
        assert!(!left.is_empty(), "its plugin runs");
        if round.is_multiple_of(2) {
            is_prompt(&gateway, "1000").await;
        }
        // Killed and waited for.
        drop(gateway);
        for pid in left {
            gone(pid).await;
        }
        round += 1;
    }
    assert!(round > 0);
}

#[tokio::test]
async fn no_process_is_left_of_hosts_that_are_killed() {
    hosts_that_are_killed(SHORT).await;
}

#[tokio::test]
#[ignore = "soak: a minute"]
async fn soak_no_process_is_left_of_hosts_that_are_killed() {
    hosts_that_are_killed(LONG).await;
}
