//! The decision: whether what is in this state is to be sent requests.

use plugin_core::HealthState;

/// As a gate decides by default: Unhealthy, which is below the failure limit, is a blip and takes nobody out. Unlike a gate,
/// nothing is ready of which nothing is known yet.
pub(crate) const fn is_ready(state: HealthState) -> bool {
    match state {
        HealthState::Healthy | HealthState::Degraded | HealthState::Unhealthy => true,
        HealthState::Offline | HealthState::Unknown => false,
    }
}
