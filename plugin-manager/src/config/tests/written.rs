//! A section that is written is meant.

use super::*;

fn one(section: &str) -> PluginConfig {
    config(&format!("plugins: [{{name: a, transport: http, endpoint: 'http://127.0.0.1:1/', {section}}}]")).plugins()[0]
        .clone()
}

fn under(default: &str, section: &str) -> PluginConfig {
    let plugin = format!("{{name: a, transport: http, endpoint: 'http://127.0.0.1:1/', {section}}}");
    config(&format!("{{{default}, plugins: [{plugin}]}}")).plugins()[0].clone()
}

#[test]
fn a_section_that_is_written_is_on() {
    let limit = one("rate_limit: {requests_per_second: 2}").rate_limit().expect("it limits");
    assert_eq!((limit.requests_per_second(), limit.burst_size()), (2.0, 20));
    assert!(one("rate_limit: {}").rate_limit().is_some(), "with the defaults");
    assert!(one("rate_limit: null").rate_limit().is_none(), "null counts as absent");
    assert!(under("default_rate_limit: {burst_size: 3}", "").rate_limit().is_some_and(|limit| limit.burst_size() == 3));
    assert!(one("health_check: {interval: 1s}").health_check().is_some());
    assert!(one("circuit_breaker: {failure_threshold: 2}").circuit_breaker().enabled());
    assert_eq!(one("retry: {initial_interval: 1s}").retry().max_retries(), 3);
}

#[test]
fn enabled_false_alone_is_that() {
    assert!(one("rate_limit: {enabled: false}").rate_limit().is_none());
    assert!(one("health_check: {enabled: false}").health_check().is_none());
    assert!(!one("circuit_breaker: {enabled: false}").circuit_breaker().enabled());
    assert_eq!(one("retry: {enabled: false}").retry().max_retries(), 0);
    assert!(one("rate_limit: {enabled: false, requests_per_second: 2}").rate_limit().is_none());
    assert!(under("default_rate_limit: {enabled: false}", "").rate_limit().is_none());
}

#[test]
fn what_go_writes_for_a_struct_that_was_never_set_counts_as_absent() {
    let breaker = "circuit_breaker: {enabled: false, failure_threshold: 0, recovery_timeout: 0, min_request_threshold: 0, \
                   success_threshold: 0}";
    let limit = "rate_limit: {enabled: false, requests_per_second: 0, burst_size: 0, time_window: 0}";
    let health = "health_check: {enabled: false, interval: 0, timeout: 0, failure_limit: 0, endpoint: ''}";
    let retry = "retry: {max_retries: 0, initial_interval: 0, max_interval: 0, multiplier: 0, random_jitter: false}";
    let connection = "connection: {max_connections: 0, max_idle_connections: 0, idle_timeout: 0, connection_timeout: 0, \
                      request_timeout: 0, keep_alive: false, disable_compression: false}";
    let plain = one("priority: 0");
    for section in [breaker, limit, health, retry, connection] {
        assert_eq!(format!("{:?}", one(section)), format!("{plain:?}"), "{section}");
        let shared = format!("default_{section}");
        assert_eq!(format!("{:?}", under(&shared, "priority: 0")), format!("{plain:?}"), "{shared}");
    }
    let inherits = under("default_rate_limit: {burst_size: 3}", limit);
    assert_eq!(inherits.rate_limit().expect("the default holds").burst_size(), 3);
    // A number that is not zero was meant.
    let found = refused(&format!(
        "plugins: [{{name: a, transport: http, endpoint: 'http://h/', {}}}]",
        retry.replace("max_retries: 0", "max_retries: 1")
    ));
    assert!(found.contains("retry.initial_interval: found 0; expected a duration longer than zero"), "{found}");
    let found = refused(&format!(
        "plugins: [{{name: a, transport: http, endpoint: 'http://h/', {}}}]",
        limit.replace("enabled: false", "enabled: true")
    ));
    assert!(found.contains("rate_limit.burst_size: found 0"), "{found}");
}

#[test]
fn what_is_off_is_not_checked_further() {
    for section in ["rate_limit", "health_check", "circuit_breaker", "retry"] {
        let plugin =
            one(&format!("{section}: {{enabled: false, interval: soon, burst_size: -1, failure_treshold: 1}}"));
        let on = plugin.rate_limit().is_some() as u8
            + u8::from(plugin.health_check().is_some())
            + u8::from(plugin.circuit_breaker().enabled())
            + u8::from(plugin.retry().max_retries() > 0);
        assert_eq!(on, if section == "rate_limit" { 3 } else { 2 }, "{section}");
        under(&format!("default_{section}: {{enabled: false, on: 7}}"), "");
    }
    let plugin = one("retry: {budget: {enabled: false, ratio: -1, window: 1500ms}}");
    assert_eq!(plugin.retry().budget(), None);
}

#[test]
fn what_a_plugin_says_of_enabled_beats_the_default_and_so_does_that_it_writes_a_section() {
    let shared = "default_rate_limit: {burst_size: 3}";
    assert!(under(shared, "rate_limit: {enabled: false}").rate_limit().is_none());
    let merged = under(shared, "rate_limit: {requests_per_second: 7}").rate_limit().expect("on");
    assert_eq!((merged.requests_per_second(), merged.burst_size()), (7.0, 3), "key by key");
    let off = "default_circuit_breaker: {enabled: false, recovery_timeout: 9s}";
    assert!(!under(off, "").circuit_breaker().enabled());
    let own = under(off, "circuit_breaker: {failure_threshold: 2}");
    assert!(own.circuit_breaker().enabled(), "it is written here");
    assert_eq!(own.circuit_breaker().recovery_timeout().as_secs(), 9);
    let on = under("default_health_check: {enabled: false}", "health_check: {enabled: true, interval: 2s}");
    assert_eq!(on.health_check().expect("on").interval().as_secs(), 2);
}

#[test]
fn what_is_shown_says_whether_a_section_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.yaml");
    let show_of = |section: &str| {
        std::fs::write(&file, format!("plugins: [{{name: a, transport: inproc, type: x, {section}}}]")).unwrap();
        show(&file, None, &no_env).unwrap()
    };
    let shown = show_of("rate_limit: {requests_per_second: 2}");
    let on = "rate_limit:\n      requests_per_second: 2\n      enabled: true\n";
    assert!(shown.contains(on) && shown.contains("\n      burst_size: 20\n"), "{shown}");
    for section in ["priority: 0", "rate_limit: {enabled: false}"] {
        let shown = show_of(section);
        assert!(shown.contains("rate_limit:\n      enabled: false\n"), "{section}: {shown}");
    }
}

#[test]
fn what_is_shown_is_a_configuration_whatever_of_it_has_no_effect() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.yaml");
    for section in ["rate_limit: {burst_size: 3}", "concurrency: {queue: 0}", "concurrency: {max: 3}"] {
        std::fs::write(&file, format!("plugins: [{{name: a, transport: inproc, type: x, {section}}}]")).unwrap();
        let shown = show(&file, None, &no_env).unwrap();
        std::fs::write(&file, &shown).unwrap();
        assert_eq!(show(&file, None, &no_env).unwrap(), shown, "{section}");
    }
}

#[test]
fn a_text_that_looks_like_a_number_is_shown_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.yaml");
    let limit =
        "rate_limit: {key: 'header:X-Plugin-Tenant', plans: [{for: [0042, 0x10, 1e3, true]}]}, labels: {room: 007}";
    std::fs::write(&file, format!("plugins: [{{name: a, transport: inproc, type: x, {limit}}}]")).unwrap();
    let shown = show(&file, None, &no_env).unwrap();
    for text in ["- \"0042\"", "- \"0x10\"", "- \"1e3\"", "- \"true\"", "room: \"007\""] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}
