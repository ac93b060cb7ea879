//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_lb::{BalanceConfig, MirrorConfig, OutlierConfig, ReportedWeightsConfig};
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_the_balancer_is_one_in_every_reader() {
    let conform = Conform::<BalanceConfig>::new()
        .around("max_load", r#"{"strategy": "maglev"}"#)
        .around("reported_weights", r#"{"strategy": "reported-weights"}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_ejection_of_outliers_is_one_in_every_reader() {
    let conform = Conform::<OutlierConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_weights_that_backends_report_is_one_in_every_reader() {
    let conform = Conform::<ReportedWeightsConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_a_mirror_is_one_in_every_reader() {
    let conform = Conform::<MirrorConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
