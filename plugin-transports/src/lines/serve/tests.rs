//! The server against a host that is a few lines, over a pipe in memory and on a paused clock.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{clock, deadline::cut};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::inproc::plugin_fn;

struct Host {
    read: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: Option<WriteHalf<DuplexStream>>,
    stop: Option<oneshot::Sender<Infallible>>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Host {
    fn start<S>(server: Server, service: S) -> Self
    where
        S: Service<Call<Bytes>, Response = Reply<Bytes>, Error = PluginError, Future: Send> + Clone + Send + 'static,
    {
        let (near, far) = duplex(1 << 16);
        let (input, output) = split(far);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let server = tokio::spawn(async move { server.serve_on(service, input, output, stopped).await });
        let (read, write) = split(near);
        Self { read: BufReader::new(read).lines(), write: Some(write), stop: Some(stop), server }
    }

    async fn say(&mut self, line: &str) {
        let write = self.write.as_mut().expect("stdin is open");
        write.write_all(line.as_bytes()).await.expect("writable");
        write.write_all(b"\n").await.expect("writable");
    }

    async fn send(&mut self, id: u64, method: &str, payload: Value) {
        self.say(&json!({"id": id, "method": method, "payload": payload}).to_string()).await;
    }

    async fn hear(&mut self) -> Value {
        let line = self.read.next_line().await.expect("readable").expect("a reply");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn ask(&mut self, method: &str, payload: Value) -> Value {
        self.send(1, method, payload).await;
        self.hear().await
    }

    /// Closes the plugin's stdin, and tells how the server ended.
    async fn finish(mut self) -> Result<(), ServeError> {
        if let Some(mut write) = self.write.take() {
            write.shutdown().await.expect("closed");
        }
        self.server.await.expect("no panic")
    }
}

async fn echo(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    Ok(Reply::new(call.into_payload()))
}

/// Sleeps for as many milliseconds as the payload says, and gives it back.
async fn sleeper(call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let millis: u64 =
        serde_json::from_slice(call.payload()).map_err(|error| PluginError::execution(error.to_string()))?;
    tokio::time::sleep(Duration::from_millis(millis)).await;
    echo(call).await
}

#[tokio::test(start_paused = true)]
async fn each_method_answers_and_an_unknown_one_says_which_there_are() {
    let mut host = Host::start(Server::new(), plugin_fn(echo));
    assert_eq!(host.ask("execute", json!({"a": [1]})).await, json!({"id": 1, "result": {"a": [1]}}));
    assert_eq!(host.ask("health", Value::Null).await["result"]["status"], "healthy");
    assert_eq!(
        host.ask("info", Value::Null).await["result"]["methods"],
        json!(["execute", "info", "health", "shutdown"])
    );
    let unknown = host.ask("dance", Value::Null).await;
    assert!(unknown["error"].as_str().is_some_and(|text| text.contains("unknown method \"dance\"")), "{unknown}");
    host.finish().await.expect("the end of stdin is a good end");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_request_is_answered_and_nothing_else_suffers() {
    let mut host = Host::start(Server::new().with_max_line(1024), plugin_fn(echo));
    // With its id wherever that can be found, or the host's call would wait for another answer.
    for (bad, id) in [
        ("hello", json!("")),
        ("{}", json!("")),
        ("[1]", json!("")),
        (r#"{"id":1}"#, json!(1)),
        (r#"{"id":"1","method":7}"#, json!("1")),
        (r#"{"payload":NaN,"method":"execute","id":"00000000000000ff"}"#, json!("00000000000000ff")),
    ] {
        host.say(bad).await;
        let reply = host.hear().await;
        assert_eq!(reply["id"], id, "{bad}");
        assert!(reply["error"].as_str().is_some_and(|text| text.contains("not a request")), "{reply}");
    }
    host.say("").await;
    host.say(&json!({"id": "00000000000000ff", "method": "x".repeat(2000)}).to_string()).await;
    let reply = host.hear().await;
    assert_eq!(reply["id"], "00000000000000ff", "the id of a request that was too long");
    assert_eq!(host.ask("execute", json!(1)).await, json!({"id": 1, "result": 1}));
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn requests_are_worked_on_at_once_up_to_the_limit() {
    let mut host = Host::start(Server::new().with_concurrency(2), plugin_fn(sleeper));
    let start = clock::now();
    for (id, millis) in [(1, 300), (2, 100), (3, 100)] {
        host.send(id, "execute", json!(millis)).await;
    }
    let order = [host.hear().await, host.hear().await, host.hear().await].map(|reply| reply["id"].as_u64());
    assert_eq!(order, [Some(2), Some(3), Some(1)]);
    assert_eq!(start.elapsed().as_millis() / 100, 3, "the third waited for the second, and nobody for the first");
    host.finish().await.expect("a good end");
}

/// A plugin that is busy is well, and says so; and it is stopped in order.
#[tokio::test(start_paused = true)]
async fn what_the_host_asks_of_its_own_does_not_wait_for_requests() {
    let mut host = Host::start(Server::new().with_concurrency(2), plugin_fn(sleeper));
    let start = clock::now();
    for id in 1..=6 {
        host.send(id, "execute", json!(10_000)).await;
    }
    host.send(7, "health", Value::Null).await;
    assert_eq!(host.hear().await["result"]["status"], "healthy");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    host.send(8, "shutdown", Value::Null).await;
    assert_eq!(host.hear().await, json!({"id": 8, "result": null}));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // What came before it is finished all the same: each two at a time, which is the time that the drain has.
    let server = Server::new().with_concurrency(2).with_drain_timeout(Duration::from_secs(60));
    let mut host = Host::start(server, plugin_fn(sleeper));
    for id in 1..=6 {
        host.send(id, "execute", json!(10_000)).await;
    }
    assert_eq!(host.ask("shutdown", Value::Null).await["result"], Value::Null);
    for id in 1..=6 {
        assert_eq!(host.hear().await, json!({"id": id, "result": 10_000}));
    }
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_past_its_deadline_is_not_worked_on() {
    let worked = Arc::new(AtomicUsize::new(0));
    let counted = worked.clone();
    let plugin = plugin_fn(move |call: Call<Bytes>| {
        counted.fetch_add(1, Ordering::Relaxed);
        sleeper(call)
    });
    let mut host = Host::start(Server::new().with_concurrency(1), plugin);
    host.send(1, "execute", json!(1_000)).await;
    for id in 2..=3 {
        let context = json!({"timeout": 50_000_000});
        host.say(&json!({"id": id, "method": "execute", "payload": 1, "context": context}).to_string()).await;
    }
    assert_eq!(host.hear().await, json!({"id": 1, "result": 1_000}));
    for id in 2..=3 {
        let late = host.hear().await;
        assert_eq!((&late["id"], &late["code"]), (&json!(id), &json!("PLUGIN_1204")), "{late}");
    }
    host.finish().await.expect("they end a drain too");
    assert_eq!(worked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_and_waits_is_bounded() {
    let server = Server::new().with_concurrency(1).with_drain_timeout(Duration::from_secs(1));
    let mut host = Host::start(server, plugin_fn(sleeper));
    host.send(1, "execute", json!(3_600_000)).await;
    let filler = json!({"id": 2, "method": "execute", "payload": "x".repeat(1 << 20)}).to_string();
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_secs(1), host.say(&filler)).await.is_ok() {
        taken += 1;
        assert!(taken < 20, "it reads on for ever");
    }
    assert!(taken >= 15, "{taken} MiB are read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn requests_that_block_run_beside_each_other_on_several_threads() {
    let met = Arc::new(AtomicUsize::new(0));
    let mut host = Host::start(
        Server::new(),
        plugin_fn(move |call: Call<Bytes>| {
            let met = met.clone();
            async move {
                met.fetch_add(1, Ordering::SeqCst);
                // Blocks its thread, in bounded time, until the other has come.
                let together = (0..20_000).any(|_| {
                    std::thread::sleep(Duration::from_millis(1));
                    met.load(Ordering::SeqCst) == 2
                });
                if together { echo(call).await } else { Err(PluginError::execution("alone")) }
            }
        }),
    );
    host.send(1, "execute", json!(1)).await;
    host.send(2, "execute", json!(2)).await;
    let heard = async { [host.hear().await, host.hear().await] };
    for reply in tokio::time::timeout(Duration::from_secs(60), heard).await.expect("two replies") {
        assert_eq!(reply["error"], Value::Null);
    }
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_deadline_passes_frees_its_place_and_is_answered_all_the_same() {
    let mut host = Host::start(Server::new().with_concurrency(1), plugin_fn(sleeper));
    let context = json!({"timeout": 50_000_000});
    host.say(&json!({"id": 1, "method": "execute", "payload": 5_000, "context": context}).to_string()).await;
    host.send(2, "execute", json!(1)).await;
    let start = clock::now();
    let late = host.hear().await;
    assert_eq!((&late["id"], &late["code"]), (&json!(1), &json!("PLUGIN_1204")), "{late}");
    assert_eq!(host.hear().await, json!({"id": 2, "result": 1}));
    assert!(start.elapsed() < Duration::from_secs(1));
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn what_a_deadline_stops_hears_that_its_time_was_up() {
    struct Asking(Option<oneshot::Sender<Option<cut::Cut>>>);
    impl Drop for Asking {
        fn drop(&mut self) {
            let tell = self.0.take().expect("dropped once");
            tell.send(cut::current()).expect("the test waits");
        }
    }
    let (tell, heard) = oneshot::channel();
    let asking = Arc::new(Mutex::new(Some(Asking(Some(tell)))));
    let plugin = plugin_fn(move |_: Call<Bytes>| {
        let asking = asking.lock().expect("unpoisoned").take();
        async move {
            let _asking = asking;
            std::future::pending().await
        }
    });
    let mut host = Host::start(Server::new(), plugin);
    let context = json!({"timeout": 50_000_000});
    host.say(&json!({"id": 1, "method": "execute", "payload": 1, "context": context}).to_string()).await;
    let cut = heard.await.expect("dropped").expect("a cut");
    assert_eq!(cut.ran(), Duration::from_millis(50));
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn init_runs_once_and_before_the_first_request() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let server = Server::new().with_init(move |options| {
        let counted = counted.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            counted.fetch_add(1, Ordering::SeqCst);
            match options.get("refuse") {
                Some(why) => Err(why.to_string()),
                None => Ok(()),
            }
        }
    });
    // A host that has no method `init`: the first request does it, and the second waits for it.
    let mut host = Host::start(server.clone(), plugin_fn(echo));
    host.send(1, "execute", json!(1)).await;
    host.send(2, "execute", json!(2)).await;
    let mut ids = [host.hear().await, host.hear().await].map(|reply| reply["result"].as_u64());
    ids.sort_unstable();
    assert_eq!((ids, count.load(Ordering::SeqCst)), ([Some(1), Some(2)], 1));
    host.finish().await.expect("a good end");

    let mut host = Host::start(server.clone(), plugin_fn(echo));
    assert!(
        host.ask("info", Value::Null).await["result"]["methods"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("init")))
    );
    assert_eq!(host.ask("init", json!({"a": 1})).await, json!({"id": 1, "result": null}));
    assert_eq!(host.ask("execute", json!(3)).await["result"], 3);
    assert_eq!(count.load(Ordering::SeqCst), 2);
    host.finish().await.expect("a good end");

    let mut host = Host::start(server, plugin_fn(echo));
    assert_eq!(host.ask("init", json!({"refuse": 7})).await["error"], "7");
    assert_eq!(host.ask("execute", json!(3)).await["error"], "the plugin is not initialised: 7");
    assert!(host.ask("init", json!([])).await["error"].as_str().is_some_and(|text| text.contains("not an object")));
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_work_is_finished_when_stdin_ends_or_a_stop_is_asked_for() {
    for way in 0..3 {
        let mut host = Host::start(Server::new(), plugin_fn(sleeper));
        host.send(1, "execute", json!(500)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        match way {
            0 => drop(host.stop.take()),
            1 => assert_eq!(host.ask("shutdown", Value::Null).await["result"], Value::Null),
            _ => host.write.take().expect("open").shutdown().await.expect("closed"),
        }
        assert_eq!(host.hear().await, json!({"id": 1, "result": 500}), "way {way}");
        assert_eq!(host.read.next_line().await.expect("readable"), None, "way {way}");
        host.server.await.expect("no panic").expect("a good end");
    }
}

#[tokio::test(start_paused = true)]
async fn draining_is_bounded() {
    let mut host = Host::start(Server::new().with_drain_timeout(Duration::from_secs(1)), plugin_fn(sleeper));
    host.send(1, "execute", json!(3_600_000)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let start = clock::now();
    let error = host.finish().await.expect_err("it was cut");
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(error.to_string().contains("passed; 1 request dropped"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_json_and_a_panic_are_the_calls_errors() {
    let mut host = Host::start(
        Server::new(),
        plugin_fn(|call: Call<Bytes>| async move {
            assert!(call.payload().as_ref() != b"\"panic\"", "as it was told");
            Ok::<_, PluginError>(Reply::new(Bytes::from_static(b"{not json")))
        }),
    );
    let panic = host.ask("execute", json!("panic")).await;
    assert!(panic["error"].as_str().is_some_and(|text| text.contains("panicked: as it was told")), "{panic}");
    let reply = host.ask("execute", json!(1)).await;
    assert!(reply["error"].as_str().is_some_and(|text| text.contains("is not JSON")), "{reply}");
    host.finish().await.expect("a good end");
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_bounds_are_named() {
    for (server, field) in
        [(Server::new().with_concurrency(0), "concurrency"), (Server::new().with_max_line(10), "max_line")]
    {
        let host = Host::start(server, plugin_fn(echo));
        let error = host.server.await.expect("no panic").expect_err("out of bounds");
        assert!(format!("{error:?}").contains(field), "{error:?}");
    }
}

#[tokio::test]
async fn a_program_that_no_host_started_explains_itself() {
    let error = serve_json(|name: String| async move { Ok::<_, String>(name) }).await.expect_err("no cookie here");
    assert!(error.is_by_hand());
    assert!(format!("{error:?}").contains("this program is a plugin"));
}
