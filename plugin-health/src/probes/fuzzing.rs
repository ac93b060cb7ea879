//! The fuzz target of what an answer says of health.

use plugin_core::HealthState;

use super::said;
use crate::texts::LONGEST_TEXT;

/// Whatever comes, a text is bounded, what is no object says nothing, and only a success is one.
pub fn health_answer(bytes: &[u8]) {
    let json = serde_json::from_slice::<serde_json::Value>(bytes).ok().filter(serde_json::Value::is_object);
    let body = said::body(bytes);
    assert!(json.is_some() || body.is_none());
    if let Some(said) = body {
        assert!(said.message.len() <= LONGEST_TEXT);
        assert!(matches!(said.state, HealthState::Healthy | HealthState::Degraded | HealthState::Unhealthy));
    }
    let ping = said::ping(bytes);
    assert!(ping.message.len() <= LONGEST_TEXT + 100);
    let is_success = json.is_some_and(|json| json["success"] == true);
    assert_eq!(ping.state.is_serving(), is_success);
}

#[cfg(test)]
fuzz_twins::twins!(health_answer);
