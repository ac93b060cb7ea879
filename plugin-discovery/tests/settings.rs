//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_discovery::DiscoveryConfig;
#[cfg(feature = "dns")]
use plugin_discovery::dns::DnsConfig;
#[cfg(feature = "file")]
use plugin_discovery::file::FileConfig;
#[cfg(feature = "kubernetes")]
use plugin_discovery::kubernetes::KubernetesConfig;
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_a_discovery_is_one_in_every_reader() {
    let conform = Conform::<DiscoveryConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "dns")]
#[test]
fn every_key_of_dns_is_one_in_every_reader() {
    let conform = Conform::<DnsConfig>::new()
        .around("min_interval", r#"{"max_interval": "365d"}"#)
        .around("max_interval", r#"{"min_interval": "1ms"}"#)
        .taking("name_servers", &["10.0.0.53", "[fd00::53]:5353"]);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "file")]
#[test]
fn every_key_of_a_file_is_one_in_every_reader() {
    let conform = Conform::<FileConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "kubernetes")]
#[test]
fn every_key_of_kubernetes_is_one_in_every_reader() {
    let conform = Conform::<KubernetesConfig>::new()
        .around("", r#"{"service": "payments"}"#)
        .around("context", r#"{"service": "payments", "kubeconfig": "/config"}"#)
        .around("cert_file", r#"{"service": "payments", "key_file": "/key"}"#)
        .around("key_file", r#"{"service": "payments", "cert_file": "/cert"}"#)
        .taking("service", &["payments", "a-1"])
        .taking("namespace", &["shop", "0"])
        .taking("port", &["grpc", "8080"])
        .taking("api_server", &["https://10.0.0.1:6443", "https://[fd00::1]/prefix"]);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
