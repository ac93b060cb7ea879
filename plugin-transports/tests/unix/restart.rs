//! A server that is killed and started again under load, and one that answers wrongly now and then: no call without a typed
//! error, and no reply to another caller.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, Code, PluginError, Reply};
use plugin_transports::{
    inproc::plugin_fn,
    unix::{UnixConfig, UnixServerOptions},
};
use tower::ServiceExt;

use crate::{
    page::{self, Started},
    support::{Act, Place, Scripted, connect, connection, millis, ok, within},
};

const CALLERS: usize = 64;

/// Calls from so many at once until told to stop; what each asks is its own. How many were answered.
async fn load(
    instance: &plugin_core::PluginInstance<plugin_transports::unix::UnixClient>,
    per_caller: usize,
    stop: Arc<AtomicBool>,
    allowed: &'static [Code],
) -> usize {
    let answered = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (service, answered, stop) = (instance.service().clone(), Arc::clone(&answered), Arc::clone(&stop));
            tokio::spawn(async move {
                for number in 0..per_caller {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let payload = format!("\"{caller} {number}\"");
                    let call = Call::new(Bytes::from(payload.clone())).with_timeout(Duration::from_secs(20));
                    match service.clone().oneshot(call).await {
                        Ok(reply) => {
                            assert_eq!(reply.into_payload(), payload, "the answer to another call");
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert!(allowed.contains(&error.code()), "{error:?}");
                            tokio::time::sleep(millis(1)).await;
                        }
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        within(caller).await.expect("no panic");
    }
    answered.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_under_64_callers_costs_typed_errors_alone() {
    let place = Place::new();
    let plugin = plugin_fn(async |call: Call<Bytes>| {
        tokio::task::yield_now().await;
        Ok::<_, PluginError>(Reply::new(call.into_payload()))
    });
    let instance = connect(place.config().with_connection(connection(|build| build.with_max_connections(16))));
    let stop = Arc::new(AtomicBool::new(false));
    let restarts = async {
        for _ in 0..20 {
            let server = place.serve(plugin, UnixServerOptions::new()).await;
            tokio::time::sleep(millis(25)).await;
            // At once, whatever is in work.
            let _ = within(server.shutdown(Duration::ZERO)).await;
        }
        let server = place.serve(plugin, UnixServerOptions::new()).await;
        tokio::time::sleep(millis(50)).await;
        stop.store(true, Ordering::Relaxed);
        server
    };
    let (answered, _server) = tokio::join!(
        load(&instance, usize::MAX, Arc::clone(&stop), &[Code::ConnectionFailed, Code::Timeout]),
        restarts
    );
    assert!(answered > CALLERS, "{answered}");
    let reply = within(instance.service().clone().oneshot(Call::new(Bytes::from_static(b"1")))).await;
    assert_eq!(reply.expect("it is there").payload(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_again_and_again_under_64_callers_costs_typed_errors_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (program, socket) = (dir.path().join("shout.py"), dir.path().join("shout.sock"));
    std::fs::write(&program, page::block("python")).expect("written");
    let config = UnixConfig::builder("shout", socket.to_str().expect("text"));
    let instance = connect(config.with_connection(connection(|build| build.with_max_connections(16))));
    let stop = Arc::new(AtomicBool::new(false));
    let restarts = async {
        for _ in 0..4 {
            // What the one before has left behind.
            let _ = std::fs::remove_file(&socket);
            let process = Started::python(&program, &socket);
            process.until_it_listens(&instance).await;
            tokio::time::sleep(millis(100)).await;
            drop(process);
        }
        stop.store(true, Ordering::Relaxed);
    };
    let allowed = &[Code::ConnectionFailed, Code::Timeout];
    let (answered, ()) = tokio::join!(load(&instance, usize::MAX, Arc::clone(&stop), allowed), restarts);
    assert!(answered > CALLERS, "{answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_calls_under_faults_none_gets_the_answer_of_another() {
    under_faults(10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a hundred thousand calls"]
async fn soak_of_a_hundred_thousand_calls_under_faults_none_gets_the_answer_of_another() {
    under_faults(100_000).await;
}

async fn under_faults(calls: usize) {
    // Every tenth request meets a fault, each of another kind.
    let plugin = Scripted::start(|number, request| {
        let answer = ok(request, &request["data"].to_string());
        match number % 80 {
            9 => Act::Write([answer.clone(), answer].concat()),
            19 => Act::Write([answer, b"{\"request_id\":\"other\",\"success\":true}\n".to_vec()].concat()),
            29 => Act::Write(b"{\"request_id\":\"other\",\"success\":true,\"data\":1}\n".to_vec()),
            39 => Act::Close(answer),
            49 => Act::Close(answer[..answer.len() / 2].to_vec()),
            59 => Act::Close(Vec::new()),
            69 => Act::Write(b"garbage\n".to_vec()),
            79 => Act::Write(b"\n{\"request_id\":\"\",\"success\":false,\"error\":\"what?\"}\n".to_vec()),
            _ => Act::Write(answer),
        }
    });
    let instance = connect(plugin.config().with_connection(connection(|build| build.with_max_connections(16))));
    let calls = calls / CALLERS;
    let allowed = &[Code::ConnectionFailed, Code::UnixTransport, Code::ExecutionFailed];
    let answered = load(&instance, calls, Arc::default(), allowed).await;
    let lost = CALLERS * calls - answered;
    assert!(lost >= calls && answered >= CALLERS * calls / 2, "{answered} of {}", CALLERS * calls);
}
