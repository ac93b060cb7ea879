//! `health_check` and `default_health_check`.

use plugin_health::HealthConfig;

use super::super::keys::{Key, Keys, Kind, Table};
use super::super::plugin::HTTP;
use super::set;

pub(in crate::config) static TABLE: Table = Table {
    name: "health_check",
    about: "How often the plugin is asked how it is, and what is made of the answers.",
    keys: &[
        Key::new("enabled", Kind::Bool, "Whether the plugin is asked at all.").default("true"),
        Key::new("interval", Kind::Time, "One check in each interval; the first is made at once. At least 1ms.")
            .default("30s"),
        Key::new("timeout", Kind::Time, "A check that takes longer has failed. At least 1ms.").default("5s"),
        Key::new(
            "failure_limit",
            Kind::Integer(1, u32::MAX as i64),
            "Failures in a row that make the plugin Offline, so that calls are refused; below, it is Unhealthy.",
        )
        .default("3"),
        Key::new("success_limit", Kind::Integer(1, u32::MAX as i64), "Successes in a row that bring it back.")
            .default("1"),
        Key::new(
            "jitter",
            Kind::Number(0.0, 1.0),
            "The share of the interval by which a check may come late, so that checks of many plugins do not fall together.",
        )
        .default("0.1"),
        Key::new(
            "endpoint",
            Kind::Text,
            "A path of the endpoint's origin, or a URL; the endpoint's own path + \"/health\" by default.",
        )
        .only(HTTP),
    ],
};

/// The check, when it is switched on, and where it is made.
pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> (Option<HealthConfig>, Option<String>) {
    let mut builder = HealthConfig::builder();
    let enabled = keys.bool("enabled");
    set!(builder.with_interval(keys.time("interval")));
    set!(builder.with_timeout(keys.time("timeout")));
    set!(builder.with_failure_limit(keys.integer("failure_limit")));
    set!(builder.with_success_limit(keys.integer("success_limit")));
    set!(builder.with_jitter(keys.number("jitter")));
    let endpoint = keys.text("endpoint");
    let config = keys.check(builder.build());
    (config.filter(|_| enabled == Some(true)), endpoint)
}
