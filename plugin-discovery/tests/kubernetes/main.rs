//! A Service of Kubernetes, followed from an API server that the test plays, over HTTPS on real sockets: what is listed, what is
//! watched, what is done when something goes wrong. What endpoints mean is tested beside the code (`src/kubernetes/slices`).
#![cfg(feature = "kubernetes")]

mod faults;
mod following;
mod many;
mod server;
mod trust;

use std::{future::Future, time::Duration};

use plugin_discovery::{
    Discovery, FaultKind,
    kubernetes::{KubernetesAccess, KubernetesConfig, KubernetesConfigBuilder, KubernetesSource},
};
use serde_json::{Value, json};
use server::{ApiServer, Watch};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Nothing in these tests may hang. It is a time of the machine: the clock is set forward where something is to be waited for.
async fn within<F: Future>(work: F) -> F::Output {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let (tell, late) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(60)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _is_awaited = tell.send(());
        }
    });
    tokio::select! {
        output = work => {
            drop(done);
            output
        }
        Ok(()) = late => panic!("a test that hangs has failed"),
    }
}

fn slice(name: &str, version: &str, endpoints: &[Value]) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": version, "managedFields": [{"manager": "k"}]},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

fn ready(address: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": true, "serving": true, "terminating": false}, "nodeName": "n"})
}

fn list(version: &str, items: &[Value]) -> String {
    page(version, "", items)
}

fn page(version: &str, next: &str, items: &[Value]) -> String {
    let metadata = json!({"resourceVersion": version, "continue": next, "remainingItemCount": 3});
    json!({"kind": "EndpointSliceList", "metadata": metadata, "items": items}).to_string()
}

fn gone() -> Value {
    json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version"})
}

/// Every limit is far away, but for those of the test.
fn config(server: &ApiServer) -> KubernetesConfigBuilder {
    let access = KubernetesAccess::at(server.url()).with_ca_file(server.authority.path("ca.crt")).with_token("abc");
    KubernetesConfig::builder("payments")
        .with_namespace("shop")
        .with_port("http")
        .with_access(access)
        .with_connect_timeout(HOUR)
        .with_request_timeout(HOUR)
        .with_silence_timeout(HOUR)
}

fn start(config: KubernetesConfigBuilder) -> Discovery {
    Discovery::start(KubernetesSource::new(config.build().expect("in bounds")))
}

/// A Service with one slice with these addresses, at version 10, that is being watched.
async fn watched(server: &mut ApiServer, addresses: &[&str]) -> (Discovery, Watch) {
    watched_with(server, addresses, |config| config).await
}

async fn watched_with(
    server: &mut ApiServer,
    addresses: &[&str],
    with: impl FnOnce(KubernetesConfigBuilder) -> KubernetesConfigBuilder,
) -> (Discovery, Watch) {
    let mut discovery = start(with(config(server)));
    let endpoints: Vec<_> = addresses.iter().copied().map(ready).collect();
    server.list().await.answer(200, list("10", &[slice("a", "9", &endpoints)])).await;
    let watch = server.watch("10").await.begin().await;
    changed(&mut discovery).await;
    (discovery, watch)
}

async fn changed(discovery: &mut Discovery) -> Vec<String> {
    within(discovery.changed()).await.iter().map(|found| found.name().to_owned()).collect()
}

fn names(discovery: &Discovery) -> Vec<String> {
    discovery.instances().iter().map(|found| found.name().to_owned()).collect()
}

/// Waits until there is a fault of this kind, and gives what it says.
async fn fault(discovery: &Discovery, kind: FaultKind) -> String {
    within(async {
        loop {
            if let Some(fault) = discovery.fault().filter(|fault| fault.kind() == kind) {
                return fault.message().to_owned();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Waits until there is no fault.
async fn recovered(discovery: &Discovery) {
    within(async {
        while discovery.fault().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
