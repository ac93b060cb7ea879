//! What may wait for a disk keeps no thread of the runtime.

use std::{fmt::Write, path::Path, sync::mpsc, time::Duration};

use plugin_manager::{
    config,
    launch::{Factories, Running},
};

#[path = "../../plugin-transports/src/tls/test_files.rs"]
#[allow(dead_code, reason = "a part of it is of use here")]
mod test_files;

use test_files::Files;

/// All threads that may wait have to: who reads files elsewhere is ready all the same.
#[test]
fn the_files_of_a_plugin_are_read_where_one_may_wait_while_others_serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let files = Files::new();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let [data, admin] = [free(), free()].map(|listener| listener.local_addr().expect("an address"));
        let mut yaml = format!("{{server: {{listen: '{data}'}}, admin: {{listen: '{admin}'}}, plugins: [");
        for (name, place) in [
            ("web", "transport: https, endpoint: 'https://127.0.0.1:1'"),
            ("rpc", "transport: grpc-tls, endpoint: '127.0.0.1:1'"),
        ] {
            let ca = files.ca();
            let (ca, check) = (ca.to_str().expect("text"), "health_check: {enabled: false}");
            write!(yaml, "{{name: {name}, {place}, auth: {{ca_file: {ca}}}, {check}}}, ").expect("written");
        }
        yaml += "{name: plain, transport: http, endpoint: 'http://127.0.0.1:1', health_check: {enabled: false}}]}";
        let config = config::from_text(Path::new("test.yaml"), &yaml, None, &|_| None).expect("no faults");
        let mut starting = Running::listen(&config).await.expect("it listens");
        let manager = starting.manager().clone();

        let (end, is_over) = mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || is_over.recv_timeout(Duration::from_secs(30))));
        let factories = Factories::new();
        {
            let plain = async {
                while !states(&manager).contains(&("plain".to_owned(), "serving")) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                states(&manager)
            };
            let mut starts = std::pin::pin!(starting.plugins(&factories));
            let seen = tokio::select! {
                _ = &mut starts => panic!("those over TLS are there: their files were read on the runtime's own thread"),
                seen = tokio::time::timeout(Duration::from_secs(20), plain) => seen.expect("it serves"),
            };
            let wanted = [("plain", "serving"), ("rpc", "starting"), ("web", "starting")];
            assert_eq!(seen, wanted.map(|(name, state)| (name.to_owned(), state)));
            end.send(()).expect("it waits");
            starts.await.expect("they start when the disk is back");
        }
        assert!(states(&manager).iter().all(|(_, state)| *state == "serving"));
        starting.into_running().shutdown().await;
    });
}

/// Each plugin by its name, and what it does.
fn states(manager: &plugin_manager::manager::Manager<bytes::Bytes, bytes::Bytes>) -> Vec<(String, &'static str)> {
    let mut all: Vec<_> = manager.list().into_iter().map(|one| (one.name, one.state.as_str())).collect();
    all.sort();
    all
}
