//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_health::{HealthConfig, PassiveHealthConfig};
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_the_check_is_one_in_every_reader() {
    let conform = Conform::<HealthConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_evidence_from_traffic_is_one_in_every_reader() {
    let conform = Conform::<PassiveHealthConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
