//! Settings exactly at their bounds, and one past them.

use std::time::Duration;

use plugin_retry::{HedgeConfig, RetryConfig};

const NANO: Duration = Duration::from_nanos(1);

#[test]
fn a_retry_takes_what_is_exactly_at_a_bound_and_nothing_past_it() {
    let builder = RetryConfig::builder;
    let field = |result: Result<RetryConfig, plugin_core::ConfigError>| result.expect_err("past its bound").field();
    for at in [0, 100] {
        assert!(builder().with_max_retries(at).build().is_ok(), "{at}");
    }
    assert_eq!(field(builder().with_max_retries(101).build()), "max_retries");
    assert_eq!(field(builder().with_max_retries(65_536).build()), "max_retries");
    let most = u32::MAX as usize;
    assert!(builder().with_max_body(most).build().is_ok());
    assert_eq!(field(builder().with_max_body(most + 1).build()), "max_body");
}

#[test]
fn a_hedge_takes_what_is_exactly_at_a_bound_and_nothing_past_it() {
    let field = |result: Result<HedgeConfig, plugin_core::ConfigError>| result.expect_err("past its bound").field();
    assert!(HedgeConfig::builder().with_delay(NANO).build().is_ok());
    assert_eq!(field(HedgeConfig::builder().with_delay(Duration::ZERO).build()), "delay");
    for at in [50.0, 99.9] {
        assert!(HedgeConfig::builder().with_percentile(at).build().is_ok(), "{at}");
    }
    for past in [49.999, 99.901, f64::NAN] {
        assert_eq!(field(HedgeConfig::builder().with_percentile(past).build()), "percentile");
    }
    let builder = || HedgeConfig::builder().with_delay(NANO);
    for at in [1, 5] {
        assert!(builder().with_max(at).build().is_ok(), "{at}");
    }
    for past in [0, 6, 65_537] {
        assert_eq!(field(builder().with_max(past).build()), "max");
    }
    let most = u32::MAX as usize;
    assert!(builder().with_max_body(most).build().is_ok());
    assert_eq!(field(builder().with_max_body(most + 1).build()), "max_body");
}
