//! DNS against a real name server, Debian's `dnsmasq`, and against one that answers what no real one would.
//!
//! When it asks again, as numbers, is tested where it is decided: `src/dns/schedule.rs`.
#![cfg(all(feature = "dns", not(loom)))]

mod dnsmasq;
mod faults;
mod liar;
mod names;
mod parts;
mod service;
mod time_to_live;

use std::{future::Future, net::SocketAddr, time::Duration};

use plugin_discovery::{
    Discovery, DiscoveryConfig, FaultKind,
    dns::{DnsConfig, DnsConfigBuilder, DnsSource},
};

/// No test waits for longer than this.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes no 20 seconds")
}

/// Asks this server, again and again.
fn config(server: SocketAddr) -> DnsConfigBuilder {
    DnsConfig::builder()
        .with_name_servers([server])
        .with_min_interval(Duration::from_millis(10))
        .with_max_interval(Duration::from_millis(40))
}

fn host(server: SocketAddr, name: &str) -> DnsSource {
    DnsSource::host(name, 80).expect("a name").with_config(config(server).build().expect("in bounds"))
}

fn service(server: SocketAddr, name: &str) -> DnsSource {
    DnsSource::service(name).expect("a name").with_config(config(server).build().expect("in bounds"))
}

/// Keeps what was found for this long.
fn keeping(time: Duration) -> DiscoveryConfig {
    DiscoveryConfig::builder().with_keep_empty_for(time).build().expect("in bounds")
}

fn names(discovery: &Discovery) -> Vec<String> {
    discovery.instances().iter().map(|found| found.name().to_owned()).collect()
}

/// Waits until the set is this one.
async fn until_found(discovery: &Discovery, wanted: &[&str]) {
    let mut discovery = discovery.clone();
    within(async {
        while names(&discovery) != wanted {
            discovery.changed().await;
        }
    })
    .await;
}

/// Waits for a fault, and says it.
async fn fault(discovery: &Discovery) -> (FaultKind, String) {
    within(async {
        loop {
            match discovery.fault() {
                Some(fault) => break (fault.kind(), fault.message().to_owned()),
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    })
    .await
}

/// Waits until there is none.
async fn until_well(discovery: &Discovery) {
    within(async {
        while discovery.fault().is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
