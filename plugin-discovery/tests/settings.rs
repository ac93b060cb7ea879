//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_discovery::DiscoveryConfig;
#[cfg(feature = "dns")]
use plugin_discovery::dns::DnsConfig;
#[cfg(feature = "file")]
use plugin_discovery::file::FileConfig;
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
