//! The variables of the protocol.

use super::ProcessConfig;

pub(super) use crate::lines::env::{COOKIE, COOKIE_VALUE, NAME, OPTIONS, PROTOCOL, PROTOCOL_VERSION, TYPE, VERSION};

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
