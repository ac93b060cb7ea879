//! The fuzz target of what a plugin says of itself.

use plugin_core::HealthState;

use super::introduction;
use crate::wire;

/// Whatever a plugin answers to `info` and `health`, it has a name, and a state.
pub fn introduction(bytes: &[u8]) {
    let (info, _methods) = introduction::info(bytes, "configured");
    assert!(!info.name.is_empty());
    let health = wire::introduction::health(bytes, HealthState::Healthy);
    assert!(!health.state.as_str().is_empty());
}

#[cfg(test)]
fuzz_twins::twins!(introduction);
