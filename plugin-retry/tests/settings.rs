//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_retry::{HedgeConfig, RetryConfig};
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_the_retry_is_one_in_every_reader() {
    let conform = Conform::<RetryConfig>::new()
        .around("initial_interval", r#"{"max_interval": "9223372036854775807ns"}"#)
        .around("throttle", r#"{"throttle": {}}"#)
        .around("max_interval", r#"{"initial_interval": "1ns"}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_hedge_is_one_in_every_reader() {
    let conform = Conform::<HedgeConfig>::new()
        .around("", r#"{"delay": "50ms"}"#)
        .around("percentile", r#"{}"#)
        .around("delay", r#"{}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
