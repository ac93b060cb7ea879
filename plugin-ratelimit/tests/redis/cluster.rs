//! A cluster of three servers.

use std::process::Command;

use plugin_ratelimit::{AwayReason, SharedBucket, SharedMode};

use super::{
    passing, patient, quick,
    server::{Server, free_port},
    shared, until, within, without_refill,
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
async fn a_cluster_that_has_lost_a_node_fails_no_request() {
    let mut cluster = Cluster::start().await;
    let store = shared(quick(&cluster.url())).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(1_000));
    cluster.0[0].kill();
    let mut passed = 0;
    until("it is told", || {
        store.status().mode == SharedMode::Local || {
            passed += 1;
            false
        }
    })
    .await;
    for key in 0..30 {
        assert_eq!(passing(&bucket, &format!("tenant-{key}"), 5).await, 5);
    }
    let status = store.status();
    assert!(
        status.mode == SharedMode::Shared || status.reason.is_some_and(|reason| reason != AwayReason::NotAuthorized),
        "by the nodes that are left, or by the share"
    );
}
