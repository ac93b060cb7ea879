//! A cluster of three servers.

use std::process::Command;

use plugin_ratelimit::{AwayReason, SharedBucket, SharedMode};

use super::{
    SECOND, passing, patient, quick,
    server::{Server, free_port},
    shared, store, until, within, without_refill,
};

struct Cluster(Vec<Server>);

impl Cluster {
    async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            // The port of the bus is named too: that of the server and ten thousand may be none.
            let (port, bus) = (free_port(), free_port().to_string());
            let args = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"];
            nodes.push(Server::on_port(port, &args).await);
        }
        let addresses = nodes.iter().map(|node| node.url().trim_start_matches("redis://").to_owned());
        let addresses: Vec<_> = addresses.collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let output = create.output().expect("`redis-cli` is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        for node in &nodes {
            within(async {
                while !node.query::<String>("CLUSTER INFO").await.contains("cluster_state:ok") {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        Self(nodes)
    }

    fn url(&self) -> String {
        let hosts: Vec<_> = self.0.iter().map(|node| node.url().trim_start_matches("redis://")).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}

#[tokio::test]
async fn two_gateways_over_a_cluster_admit_what_one_would_and_its_nodes_share_the_keys() {
    let cluster = Cluster::start().await;
    let stores = [shared(patient(&cluster.url())).await, shared(patient(&cluster.url())).await];
    let buckets = [0, 1].map(|index| SharedBucket::new(&stores[index], "limit", without_refill(10)));
    for key in 0..30 {
        let key = format!("tenant-{key}");
        assert_eq!(passing(&buckets[0], &key, 8).await + passing(&buckets[1], &key, 8).await, 10, "{key}");
    }
    for node in &cluster.0 {
        assert!(node.query::<u32>("DBSIZE").await > 2, "each node has some");
    }
    assert_eq!(buckets[0].stats().local + buckets[1].stats().local, 0);
}

#[tokio::test]
async fn while_a_node_of_a_cluster_is_gone_the_share_decides_and_no_request_fails() {
    let mut cluster = Cluster::start().await;
    let store = shared(quick(&cluster.url()).with_expected_replicas(2)).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(10));
    // The first node has the first third of the 16,384 slots.
    let mut lost = None;
    for key in (0..).map(|key| format!("tenant-{key}")) {
        let slot: u32 = cluster.0[1].query(&format!("CLUSTER KEYSLOT ratelimit:limit:{{{key}}}")).await;
        if slot < 5_000 {
            lost = Some(key);
            break;
        }
    }
    let lost = lost.expect("one of them");
    let mut events = store.events();
    cluster.0[0].kill();
    assert_eq!(passing(&bucket, &lost, 50).await, 5);
    assert_eq!(within(events.next()).await.map(|event| event.to), Some(SharedMode::Local));
    // It does not go back and forth while the other nodes answer and this one does not.
    let next = tokio::time::timeout(SECOND, events.next()).await;
    assert!(next.is_err(), "{next:?}");
    for key in 0..30 {
        assert_eq!(passing(&bucket, &format!("other-{key}"), 50).await, 5);
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_that_is_not_said_to_be_one_is_told() {
    let cluster = Cluster::start().await;
    let store = store(quick(cluster.0[0].url()));
    let bucket = SharedBucket::new(&store, "limit", without_refill(1_000));
    for key in 0..30 {
        assert_eq!(passing(&bucket, &format!("tenant-{key}"), 5).await, 5);
    }
    until("it is told", || store.status().reason == Some(AwayReason::Error("MOVED".to_owned()))).await;
}
