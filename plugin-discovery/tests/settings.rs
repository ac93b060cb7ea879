//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_discovery::DiscoveryConfig;
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_a_discovery_is_one_in_every_reader() {
    let conform = Conform::<DiscoveryConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
