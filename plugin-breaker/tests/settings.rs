//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_breaker::CircuitBreakerConfig;
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_the_breaker_is_one_in_every_reader() {
    let conform = Conform::<CircuitBreakerConfig>::new()
        .around("failure_threshold", r#"{"failure_rate": {"ratio": 0.5}}"#)
        .around("failure_rate", r#"{"failure_rate": {"ratio": 0.5}}"#)
        .around("failure_rate.min_calls", r#"{"failure_rate": {"ratio": 0.5, "window": "1m"}}"#)
        .around("slow", r#"{"slow": {"over": "1s", "ratio": 0.5}}"#)
        .around("slow.min_calls", r#"{"slow": {"over": "1s", "ratio": 0.5, "window": "1m"}}"#)
        .around("cancelled", r#"{"slow": {"over": "1s", "ratio": 0.5}}"#)
        .around("backoff", r#"{"recovery_timeout": "1ns", "backoff": {"multiplier": 2, "max": "5m"}}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
