//! The keys of a budget and of a throttle, and their bounds.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Table},
};

pub(crate) static BUDGET: Table = Table::new(
    "retry.budget",
    "What the retries of all calls together may cost.",
    &[
        Key::new("enabled", Kind::Bool, "Whether there is one.").default("true"),
        Key::new("ratio", RATIO, "Retries for each call that succeeded.").default("0.2"),
        Key::new("min_per_second", MIN_PER_SECOND, "Retries per second that are always allowed.").default("10"),
        Key::new("window", BUDGET_WINDOW, "How long calls are remembered, in whole seconds.").default("10s"),
    ],
)
.switched();

pub(crate) const RATIO: Kind = Kind::number(0.0, 10.0);
pub(crate) const MIN_PER_SECOND: Kind = Kind::integer(0, u32::MAX as i128);
pub(crate) const BUDGET_WINDOW: Kind = Kind::time_in(Duration::from_secs(1), Duration::from_secs(60));

pub(crate) static THROTTLE: Table = Table::new(
    "retry.throttle",
    "Stops retries while failures outweigh successes (gRFC A6).",
    &[
        Key::new("max_tokens", Kind::integer(1, 1000), "Tokens of a full throttle; every failure takes one.")
            .default("10"),
        Key::new("token_ratio", Kind::number(0.001, 1000.0), "What every success puts back, in thousandths.")
            .default("0.1"),
    ],
);

/// Whether a value fits under this key of a budget. The fault calls the key `field`.
pub(super) fn fits(key: &'static str, field: &'static str, value: impl Into<Given>) -> Result<(), ConfigError> {
    BUDGET.fits(key, value).map_err(|error| ConfigError::new(field, error.problem().to_owned()))
}
