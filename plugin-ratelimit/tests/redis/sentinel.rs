//! A master and a replica behind a sentinel.

use std::{
    collections::HashMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use plugin_ratelimit::{SharedBucket, SharedMode};
use tempfile::TempDir;

use super::{
    passing, quick,
    server::{Server, free_port},
    shared, within, without_refill,
};

struct Sentinel {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let config = dir.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 20000\n"
        );
        std::fs::write(&config, text).expect("written");
        let mut command = Command::new("redis-server");
        command.arg(&config).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().expect("`redis-server` is there"), port, _dir: dir }
    }

    async fn query<T: redis::FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut command = redis::cmd("SENTINEL");
        words.iter().for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut connection).await.ok()
    }

    /// The port of the master that it names.
    async fn master(&self) -> Option<u16> {
        Some(self.query::<(String, u16)>(&["GET-MASTER-ADDR-BY-NAME", "main"]).await?.1)
    }

    async fn until_it_knows_a_replica(&self) {
        within(async {
            loop {
                let replicas = self.query::<Vec<HashMap<String, String>>>(&["REPLICAS", "main"]).await;
                let is_linked =
                    |replica: &HashMap<_, _>| replica.get("master-link-status").is_some_and(|is| is == "ok");
                if replicas.is_some_and(|replicas| replicas.iter().any(is_linked)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_failover_fails_no_request_and_the_new_master_is_found_with_what_was_taken() {
    let master_port = free_port();
    let replica_port = free_port();
    let _master = Server::on_port(master_port, &["--repl-diskless-sync-delay", "0"]).await;
    let replica = Server::on_port(replica_port, &["--replicaof", &format!("127.0.0.1 {master_port}")]).await;
    within(async {
        // A sentinel looks at its start for the replicas that are there, and then every ten seconds.
        while !replica.query::<String>("INFO replication").await.contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let sentinel = Sentinel::start(master_port);
    sentinel.until_it_knows_a_replica().await;
    let url = format!("redis-sentinel://127.0.0.1:{}/0?master=main", sentinel.port);
    let store = shared(quick(&url)).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(1_000));
    assert_eq!(passing(&bucket, "", 100).await, 100);
    assert!(sentinel.query::<()>(&["FAILOVER", "main"]).await.is_some());
    let mut passed = 100;
    within(async {
        // On a busy machine the first answers may be late, and this instance decides by its share for a while.
        let decides = async || replica.query::<u32>("EXISTS ratelimit:limit:{}").await == 1;
        while sentinel.master().await != Some(replica_port)
            || store.status().mode != SharedMode::Shared
            || !decides().await
        {
            passed += passing(&bucket, "", 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    passed += passing(&bucket, "", 2_000).await;
    assert!(replica.query::<String>("INFO replication").await.contains("role:master"));
    // Where a busy machine was late this instance has decided by its share, and an outage lets a burst more through at each of its ends.
    let most = if bucket.stats().local == 0 { 1_100 } else { 3_000 };
    assert!((1_000..=most).contains(&passed), "{passed}, and {} by the share", bucket.stats().local);
}
