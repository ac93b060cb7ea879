//! The variables of the protocol.

use super::ProcessConfig;

pub(super) use crate::lines::env::{COOKIE, COOKIE_VALUE, NAME, OPTIONS, VERSION};

pub(super) const PROTOCOL: &str = "PLUGIN_PROTOCOL_VERSION";
pub(super) const PROTOCOL_VERSION: &str = "1";
pub(super) const TYPE: &str = "PLUGIN_TYPE";

/// What every process is told.
pub(super) fn of(config: &ProcessConfig) -> [(&'static str, &str); 5] {
    [
        (COOKIE, COOKIE_VALUE),
        (PROTOCOL, PROTOCOL_VERSION),
        (TYPE, &config.kind),
        (NAME, &config.name),
        (VERSION, &config.version),
    ]
}
