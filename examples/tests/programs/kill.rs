//! What a kill -9 of the greeter in Rust costs callers of a gateway with the settings that a plugin has by default.

use std::{net::SocketAddr, path::Path, time::Duration};

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::within;

const CALLS: u32 = 60;

const GREETER: &str = env!("CARGO_BIN_EXE_greeter");

/// The process is away for 100 ms and a start. A call that comes meanwhile waits for that start, and goes on when it has
/// ended: nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_calls_in_a_row_round_a_kill_all_succeed() {
    sixty_calls_round_a_kill(&format!("executable: '{GREETER}'")).await;
}

/// How long the first start took says nothing of the next. Callers have less time than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_calls_in_a_row_round_a_kill_all_succeed_where_the_first_start_took_longer_than_a_call_may() {
    let started = Path::new(env!("CARGO_TARGET_TMPDIR")).join("greeter-was-started");
    // Of an earlier run.
    let _ = std::fs::remove_file(&started);
    let script = format!("test -e {started:?} || {{ touch {started:?}; sleep 1.6; }}; exec {GREETER:?}");
    sixty_calls_round_a_kill(&format!("executable: /bin/sh, args: [-c, '{script}'], timeout: 1500ms")).await;
}

async fn sixty_calls_round_a_kill(settings: &str) {
    let text = format!("plugins: [{{name: greeter, transport: exec, {settings}}}]\n");
    let config = config::from_text(Path::new("gateway.yaml"), &text, None, &|_| None).expect("valid");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.clone().with_server(config.server().clone().with_listen(any));
    let config = config.clone().with_admin(config.admin().clone().with_listen(any));
    let running = within(Running::start(&config, &Factories::new())).await.expect("it starts");
    let process = running.process("greeter").expect("supervised").clone();
    let (client, url) = (
        Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>(),
        format!("http://{}/v1/plugins/greeter", running.gateway().data_addr()),
    );
    let call = async |number: u32| {
        let request = Request::builder().method(Method::POST).uri(&url);
        let request = request.header("content-type", "application/json").body(Full::from(format!("\"{number}\"")));
        let (head, body) = client.request(request.expect("valid")).await.expect("the gateway stays").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (head.status.as_u16(), String::from_utf8_lossy(&body).into_owned())
    };
    let mut failures = Vec::new();
    for number in 0..CALLS {
        let (status, body) = within(call(number)).await;
        if (status, body.as_str()) != (200, &format!("\"hello {number}\"")) {
            failures.push((number, status, body));
        }
        if number == 20 {
            let pid = process.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
            kill_process(pid, Signal::KILL).expect("it is ours");
            // On a busy machine it may take longer than 20 ms to die, and what it is sent meanwhile it may have read.
            within(async {
                while process.pid().is_some() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(failures, [], "calls that failed, {:?}", process.stats());
    assert_eq!(process.stats().restarts, 1);
    assert!(within(running.shutdown()).await.is_clean());
}
