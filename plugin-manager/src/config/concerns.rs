//! The sections of a plugin whose keys the crates declare: what the gateway adds to them, and when they are on.

use plugin_breaker::CircuitBreakerConfig;
use plugin_core::settings::{Key, Kind, Settings, Table};
use plugin_health::HealthConfig;
use plugin_retry::RetryConfig;
use plugin_settings::Keys;
use plugin_transports::names::OVER_HTTP;

/// A crate that stands in a stack alone is left out to switch it off; a section of a configuration says so.
pub(super) const ENABLED: Key =
    Key::new("enabled", Kind::Bool, "Whether it is on; a section that is written is.").default("true");

pub(super) static RETRY: Table =
    Table::new("retry", "When a call that failed is tried again.", &[ENABLED]).over(RetryConfig::TABLE).switched();

pub(super) static CIRCUIT_BREAKER: Table =
    Table::new("circuit_breaker", "When calls are no longer let through to a plugin that fails.", &[])
        .over(CircuitBreakerConfig::TABLE);

pub(super) static HEALTH_CHECK: Table = Table::new(
    "health_check",
    "How often the plugin is asked how it is, and what is made of the answers.",
    &[
        ENABLED.go(),
        Key::new("endpoint", Kind::Text, "A path of the endpoint's origin, or a URL.")
            .derived_default("the endpoint's own path + \"/health\"")
            .go()
            .only(OVER_HTTP),
    ],
)
.over(HealthConfig::TABLE)
.switched();

/// None are made when it is off.
pub(super) fn retry(keys: &mut Keys<'_>, name: &'static str) -> Option<RetryConfig> {
    let off = || RetryConfig::builder().with_max_retries(0).build().ok();
    keys.section(name, |keys| if keys.is_off() { off() } else { keys.make() }).flatten()
}

/// The check, when it is on, and where it is made.
pub(super) fn health_check(keys: &mut Keys<'_>, name: &'static str) -> Option<(HealthConfig, Option<String>)> {
    let check = |keys: &mut Keys<'_>| Some((keys.make()?, keys.text("endpoint")));
    keys.section(name, |keys| if keys.is_off() { None } else { check(keys) }).flatten()
}
