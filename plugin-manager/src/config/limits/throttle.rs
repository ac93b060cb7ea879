//! `adaptive_throttle`.

use plugin_core::settings::{Settings, Table};
use plugin_ratelimit::throttle::AdaptiveThrottleConfig;
use plugin_settings::Keys;

use super::{super::concerns::ENABLED, on};

pub(in crate::config) static ADAPTIVE_THROTTLE: Table =
    Table::new("adaptive_throttle", "Refuses a share of the calls here, while the plugin turns many away.", &[ENABLED])
        .over(AdaptiveThrottleConfig::TABLE)
        .switched();

pub(in crate::config) fn adaptive_throttle(keys: &mut Keys<'_>, name: &'static str) -> Option<AdaptiveThrottleConfig> {
    on(keys, name, Keys::make)
}
