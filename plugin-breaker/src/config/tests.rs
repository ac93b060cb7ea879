use std::time::Duration;

use super::*;

type Builder = CircuitBreakerConfigBuilder;

fn builder() -> Builder {
    CircuitBreakerConfig::builder()
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let config = builder().build().expect("the defaults are valid");
    assert_eq!(config, CircuitBreakerConfig::default());
    assert!(config.enabled());
    assert_eq!(config.failure_threshold(), Some(5));
    assert_eq!((config.min_request_threshold(), config.success_threshold(), config.half_open_max()), (3, 2, 2));
    assert_eq!((config.recovery_timeout().as_secs(), config.half_open_timeout().as_secs()), (30, 30));
    assert_eq!((config.failure_rate(), config.slow(), config.window()), (None, None, Window::Calls(100)));
    assert_eq!(config.open_time().wait(9, Duration::ZERO, 0.9), Duration::from_secs(30));
}

#[test]
fn a_probe_has_at_least_the_open_time_and_half_a_minute_unless_the_settings_say_otherwise() {
    let age = |builder: Builder, or: Option<u64>| {
        let config = builder.build().expect("valid");
        or.map(Duration::from_secs).map_or(config.clone(), |or| config.or_half_open_timeout(or)).half_open_timeout()
    };
    let open = |seconds| builder().with_recovery_timeout(Duration::from_secs(seconds));
    assert_eq!([open(1), open(30), open(31)].map(|builder| age(builder, None).as_secs()), [30, 30, 31]);
    assert_eq!([open(1), open(5), open(6)].map(|builder| age(builder, Some(5)).as_secs()), [5, 5, 6]);
    let set = open(5).with_half_open_timeout(Duration::from_secs(1));
    assert_eq!([None, Some(5)].map(|or| age(set.clone(), or).as_secs()), [1, 1]);
    let nano = Duration::from_nanos(1);
    let least = builder().with_recovery_timeout(nano).build().expect("valid").or_half_open_timeout(nano);
    assert_eq!(least.half_open_timeout(), Duration::from_millis(1));
    assert!(least.to_builder().build().is_ok());
}

#[test]
fn a_value_out_of_bounds_is_named_with_its_key() {
    let second = Duration::from_secs(1);
    let cases: [(Builder, &str); 15] = [
        (builder().with_failure_threshold(0), "failure_threshold"),
        (builder().with_min_request_threshold(1_000_001), "min_request_threshold"),
        (builder().with_failure_threshold(1_000_001), "failure_threshold"),
        (builder().with_success_threshold(0), "success_threshold"),
        (builder().with_half_open_max(0), "half_open_max"),
        (builder().with_half_open_timeout(Duration::from_micros(999)), "half_open_timeout"),
        (builder().with_recovery_timeout(Duration::ZERO), "recovery_timeout"),
        (builder().with_failure_rate(1.5), "failure_rate.ratio"),
        (builder().with_window(Window::Calls(0)), "failure_rate.window"),
        (builder().with_window(Window::Time(Duration::from_millis(99))), "failure_rate.window"),
        (builder().with_min_calls(101), "failure_rate.min_calls"),
        (builder().with_slow_calls(Duration::ZERO, 0.5), "slow.over"),
        (builder().with_slow_calls(second, 0.0), "slow.ratio"),
        (builder().with_backoff(2.0, second), "backoff.max"),
        (builder().with_cancelled(Cancelled::Slow), "cancelled"),
    ];
    for (builder, field) in cases {
        let error = builder.clone().build().expect_err(field);
        assert_eq!(error.field(), field, "{error}");
    }
    let error = builder().with_backoff(0.5, second * 60).build().expect_err("shrinks");
    assert_eq!(error.field(), "backoff.multiplier");
    let error = builder().with_jitter(1.5).build().expect_err("more than all");
    assert_eq!(error.field(), "backoff.jitter");
}

#[test]
fn what_is_exactly_at_a_bound_is_taken_and_what_is_one_past_it_is_not() {
    let (nano, milli, day) = (Duration::from_nanos(1), Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
    let time = |time| builder().with_window(Window::Time(time));
    let calls = |calls| builder().with_window(Window::Calls(calls));
    let cases: [(Builder, Builder); 14] = [
        (builder().with_failure_threshold(1_000_000), builder().with_failure_threshold(1_000_001)),
        (builder().with_success_threshold(1), builder().with_success_threshold(0)),
        (builder().with_success_threshold(1000), builder().with_success_threshold(1001)),
        (builder().with_half_open_max(1), builder().with_half_open_max(0)),
        (builder().with_half_open_max(1000), builder().with_half_open_max(1001)),
        (builder().with_half_open_timeout(milli), builder().with_half_open_timeout(milli - nano)),
        (builder().with_recovery_timeout(nano), builder().with_recovery_timeout(Duration::ZERO)),
        (calls(1), calls(0)),
        (calls(100_000), calls(100_001)),
        (time(Duration::from_millis(100)), time(Duration::from_millis(100) - nano)),
        (time(day), time(day + nano)),
        (builder().with_min_calls(100), builder().with_min_calls(101)),
        (builder().with_slow_calls(nano, 1.0), builder().with_slow_calls(Duration::ZERO, 1.0)),
        (builder().with_jitter(1.0), builder().with_jitter(1.0 + f64::EPSILON)),
    ];
    for (at, past) in cases {
        assert!(at.clone().build().is_ok(), "{at:?}");
        assert!(past.clone().build().is_err(), "{past:?}");
    }
    let open = Duration::from_secs(30);
    assert!(builder().with_backoff(100.0, open).build().is_ok(), "as long as the open time itself");
    assert!(builder().with_backoff(100.1, open).build().is_err());
    assert!(builder().with_backoff(1.0, open - nano).build().is_err());
}

#[test]
fn the_default_of_min_calls_never_delays_the_reaction_to_an_outage() {
    for calls in [1, 2, 5, 10, 100, 5000] {
        for share in [0.01, 0.3, 0.5, 1.0] {
            let config = builder().with_failure_rate(share).with_window(Window::Calls(calls)).build().expect("valid");
            let ratio = config.failure_rate().expect("set");
            assert!((1..=ratio.of(calls)).contains(&config.min_calls()), "{share} of {calls}");
        }
    }
}

#[test]
fn a_constant_open_time_with_jitter_moves_both_ways() {
    let config = builder().with_jitter(0.5).build().expect("valid");
    let wait = |random| config.open_time().wait(0, Duration::ZERO, random).as_secs();
    assert_eq!((wait(0.0), wait(0.5), wait(1.0)), (15, 30, 45));
}

#[test]
fn settings_survive_a_round_trip_through_the_builder() {
    let config = full();
    assert_eq!(config.to_builder().build().expect("valid"), config);
}

/// What nobody wrote is not held against who changes something else.
#[test]
fn a_constant_open_time_with_jitter_stays_one_when_another_time_is_set() {
    for share in [0.1, 0.3, 0.5, 1.0] {
        let config =
            builder().with_recovery_timeout(Duration::from_secs(10)).with_jitter(share).build().expect("valid");
        assert_eq!(config.to_builder().build().expect("valid"), config);
        let minute = config.to_builder().with_recovery_timeout(Duration::from_secs(60)).build().expect("a longer time");
        let wait = |random| minute.open_time().wait(7, Duration::ZERO, random).as_secs_f64();
        assert!((wait(0.0) - 60.0 * (1.0 - share)).abs() < 1e-6 && (wait(0.5) - 60.0).abs() < 1e-6);
        assert!((wait(1.0) - 60.0 * (1.0 + share)).abs() < 1e-6, "{}", wait(1.0));
    }
}

fn full() -> CircuitBreakerConfig {
    builder()
        .with_failure_threshold(7)
        .with_min_request_threshold(0)
        .with_success_threshold(3)
        .with_half_open_max(4)
        .with_half_open_timeout(Duration::from_secs(5))
        .with_recovery_timeout(Duration::from_secs(10))
        .with_failure_rate(0.25)
        .with_window(Window::Time(Duration::from_secs(20)))
        .with_min_calls(8)
        .with_slow_calls(Duration::from_millis(250), 0.75)
        .with_backoff(3.0, Duration::from_secs(90))
        .with_jitter(0.2)
        .with_max_push_back(Duration::from_secs(60))
        .with_cancelled(Cancelled::Slow)
        .with_failures_on(["TRANSPORT", "PLUGIN_1205"].map(|name| name.parse().expect("a condition")))
        .build()
        .expect("valid")
}

#[cfg(feature = "serde")]
mod serde {
    use super::*;

    fn read(json: &str) -> Result<CircuitBreakerConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_keys_of_go_plugins_are_read_with_nanoseconds_or_text() {
        let config = read(
            r#"{"enabled":true,"failure_threshold":4,"recovery_timeout":15000000000,
                "min_request_threshold":2,"success_threshold":1}"#,
        )
        .expect("valid");
        assert_eq!((config.failure_threshold(), config.recovery_timeout().as_secs()), (Some(4), 15));
        assert_eq!(read(r#"{"recovery_timeout":"15s"}"#).expect("valid").recovery_timeout().as_secs(), 15);
        assert_eq!(read("{}").expect("valid"), CircuitBreakerConfig::default());
    }

    #[test]
    fn every_key_is_read_and_written_back() {
        let config = read(
            r#"{"failure_threshold":7,"min_request_threshold":0,"success_threshold":3,"recovery_timeout":"10s",
                "half_open_max":4,"half_open_timeout":"5s","failure_rate":{"ratio":0.25,"window":"20s","min_calls":8},
                "slow":{"over":"250ms","ratio":0.75},"backoff":{"multiplier":3,"max":"1m30s","jitter":0.2},
                "max_push_back":"1m","cancelled":"slow","on":["TRANSPORT","PLUGIN_1205"]}"#,
        )
        .expect("valid");
        assert_eq!(config, full());
        let written = serde_json::to_string(&config).expect("plain");
        assert_eq!(read(&written).expect("valid"), config);
        let slow_alone = read(r#"{"slow":{"over":"1s","ratio":0.5,"window":50,"min_calls":5}}"#).expect("valid");
        let written = serde_json::to_string(&slow_alone).expect("plain");
        assert_eq!(read(&written).expect("valid"), slow_alone);
        assert_eq!((slow_alone.window(), slow_alone.min_calls()), (Window::Calls(50), 5));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (json, part) in [
            (r#"{"failure_treshold":4}"#, "failure_treshold"),
            (r#"{"failure_rate":{"ratio":2}}"#, "failure_rate.ratio"),
            (r#"{"failure_rate":{"ratio":0.5,"window":"soon"}}"#, "soon"),
            (r#"{"failure_rate":{"ratio":0.5,"window":true}}"#, "number of calls"),
            (r#"{"failure_rate":{"ratio":0.5},"slow":{"over":"1s","ratio":0.5,"window":5}}"#, "slow"),
            (r#"{"recovery_timeout":"0s"}"#, "recovery_timeout"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(part), "{error}");
        }
    }
}
