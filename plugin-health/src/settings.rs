//! The keys that configuration files have for a health check.

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Settings, Table, Values},
};

use crate::HealthConfig;
use crate::config::{LONGEST, SHORTEST};

static TABLE: Table =
    Table::new("health_check", "How often a plugin is asked how it is, and what is made of the answers.", &[
        Key::new("interval", TIME, "One check in each interval; the first is made at once.").default("30s").go(),
        Key::new("timeout", TIME, "A check that takes longer is cut off and has failed (`HEALTH_1602`). It may be longer than `interval`: the next check \
             waits for it.")
            .default("5s")
            .go(),
        Key::new(
            "failure_limit",
            LIMIT,
            "Failures in a row that make it Offline, so that a gate refuses calls; below, it is Unhealthy.",
        )
        .default("3")
        .go(),
        Key::new("success_limit", LIMIT, "Successes in a row that bring it back from Unhealthy or Offline.")
            .default("1"),
        Key::new(
            "jitter",
            Kind::number(0.0, 1.0),
            "The share of the interval by which a check may come late, so that checks of many things do not fall together.",
        )
        .default("0.1"),
        Key::new(
            "flap_window",
            TIME,
            "What went Offline and goes there again before it was up for this long needs twice the good checks to come back, and \
             then twice as many again, up to 16 times `success_limit`. Absent: it never does.",
        ),
    ]);

const TIME: Kind = Kind::time_in(SHORTEST, LONGEST);
const LIMIT: Kind = Kind::integer(1, u32::MAX as i128);

impl Settings for HealthConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        Self::builder()
            .with_interval(values.time("interval").unwrap_or(default.interval()))
            .with_timeout(values.time("timeout").unwrap_or(default.timeout()))
            .with_failure_limit(values.integer("failure_limit").unwrap_or(default.failure_limit()))
            .with_success_limit(values.integer("success_limit").unwrap_or(default.success_limit()))
            .with_jitter(values.number("jitter").unwrap_or(default.jitter()))
            .with_flap_window(values.time("flap_window"))
            .build()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("interval", self.interval())
            .with("timeout", self.timeout())
            .with("failure_limit", self.failure_limit())
            .with("success_limit", self.success_limit())
            .with("jitter", self.jitter())
            .with("flap_window", self.flap_window())
    }
}

plugin_core::serde_by_settings!(HealthConfig);

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<HealthConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_that_are_absent_have_their_defaults() {
        assert_eq!(read("{}"), Ok(HealthConfig::default()));
        let config =
            read(r#"{"interval": "1m", "timeout": 2000000000, "failure_limit": 5, "success_limit": 2, "jitter": 0.5}"#)
                .expect("valid");
        assert_eq!((config.interval().as_secs(), config.timeout().as_secs()), (60, 2));
        assert_eq!((config.failure_limit(), config.success_limit(), config.jitter()), (5, 2, 0.5));
        let json = serde_json::to_string(&config).expect("plain");
        assert_eq!(read(&json), Ok(config));
    }

    #[test]
    fn unknown_keys_and_values_out_of_bounds_are_named() {
        let unknown = read(r#"{"retries": 3}"#).expect_err("unknown");
        assert!(unknown.contains("`retries`"), "{unknown}");
        let zero = read(r#"{"failure_limit": 0}"#).expect_err("out of bounds");
        assert!(zero.contains("`failure_limit` must be from 1 to 4294967295, and is 0"), "{zero}");
        let built = HealthConfig::builder().with_failure_limit(0).build().expect_err("out of bounds");
        assert!(zero.starts_with(&built.to_string()), "a builder says {built}");
    }
}
