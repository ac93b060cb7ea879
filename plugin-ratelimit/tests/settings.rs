//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_ratelimit::{
    KeyedRateLimitConfig, RateLimitConfig,
    concurrency::{ConcurrencyLimitConfig, KeyedConcurrencyLimitConfig},
    throttle::AdaptiveThrottleConfig,
};
use plugin_settings::conform::Conform;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn every_key_of_the_bucket_is_one_in_every_reader() {
    let conform = Conform::<RateLimitConfig>::new().around("burst_size", r#"{"requests_per_second": 10000000}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_buckets_per_key_is_one_in_every_reader() {
    let conform = Conform::<KeyedRateLimitConfig>::new().around("burst_size", r#"{"requests_per_second": 10000000}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_concurrency_limit_is_one_in_every_reader() {
    let conform = Conform::<ConcurrencyLimitConfig>::new()
        .around("min", r#"{"adaptive": "vegas", "max": 1000000, "initial": 1000000}"#)
        .around("initial", r#"{"adaptive": "vegas", "max": 1000000}"#)
        .around("max", r#"{"adaptive": "vegas"}"#)
        .around("target", r#"{"interval": "24h"}"#)
        .around("interval", r#"{"target": "1ns"}"#);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_concurrency_limit_per_key_is_one_in_every_reader() {
    let conform = Conform::<KeyedConcurrencyLimitConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[test]
fn every_key_of_the_throttle_is_one_in_every_reader() {
    let conform = Conform::<AdaptiveThrottleConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "http")]
#[test]
fn every_key_of_the_address_of_a_client_is_one_in_every_reader() {
    let conform = Conform::<plugin_ratelimit::ClientIpConfig>::new().taking("trusted_proxies", &["10.0.0.0/8", "::1"]);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "redis")]
#[test]
fn every_key_of_a_shared_limit_is_one_in_every_reader() {
    const URLS: &[&str] =
        &["redis://localhost", "redis://:secret@a:1/2", "redis-cluster://a,b", "unix:///run/redis.sock"];
    let minute = r#"{"url": "redis://localhost", "connect_timeout": "1m"}"#;
    let quick = r#"{"url": "redis://localhost", "timeout": "1ns"}"#;
    let conform = Conform::<plugin_ratelimit::RedisConfig>::new()
        .around("", r#"{"url": "redis://localhost"}"#)
        .around("timeout", minute)
        .around("connect_timeout", quick)
        .taking("url", URLS)
        .taking("prefix", &["a", "shop:limits"]);
    conform.readers();
    conform.page(PAGE);
}

#[cfg(feature = "envoy-rls")]
#[test]
fn every_key_of_a_limit_that_a_service_decides_is_one_in_every_reader() {
    let conform = Conform::<plugin_ratelimit::envoy::EnvoyRateLimitConfig>::new()
        .around("", r#"{"domain": "shop"}"#)
        .taking("domain", &["a", "shop"]);
    conform.readers();
    conform.written();
    conform.page(PAGE);
}
