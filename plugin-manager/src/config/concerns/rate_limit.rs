//! `rate_limit` and `default_rate_limit`.

use plugin_ratelimit::RateLimitConfig;

use super::super::keys::{Key, Keys, Kind, Table};
use super::set;

pub(in crate::config) static TABLE: Table = Table {
    name: "rate_limit",
    about: "A token bucket: full at the start, refilled steadily.",
    keys: &[
        Key::new("enabled", Kind::Bool, "Whether calls are limited.").default("false"),
        Key::new("requests_per_second", Kind::Positive(1e7), "Tokens that come back in a second; may be a fraction.")
            .default("10"),
        Key::new("burst_size", Kind::Integer(1, u32::MAX as i64), "Tokens that a full bucket holds.").default("20"),
        Key::new(
            "time_window",
            Kind::Time,
            "The period that statistics and the header `RateLimit-Policy` state. It does not change the rate.",
        )
        .default("1s"),
    ],
};

/// The limit, when it is switched on.
pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<RateLimitConfig> {
    let mut builder = RateLimitConfig::builder();
    let enabled = keys.bool("enabled");
    set!(builder.with_requests_per_second(keys.number("requests_per_second")));
    set!(builder.with_burst_size(keys.integer("burst_size")));
    set!(builder.with_time_window(keys.time("time_window")));
    let limit = keys.check(builder.build());
    limit.filter(|_| enabled == Some(true))
}
