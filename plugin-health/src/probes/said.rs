//! What an answer in JSON says of health.

#[cfg(feature = "probe-http")]
use plugin_core::HealthState;
use plugin_core::HealthStatus;
use serde_json::{Map, Value};

use crate::texts::bounded;

/// An object. Anything else says nothing.
fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

/// What the body of an answer over HTTP says: its `status`, and its `message`. `None` where it says nothing of health.
#[cfg(feature = "probe-http")]
pub(super) fn body(json: &[u8]) -> Option<HealthStatus> {
    let object = object(json)?;
    let text = |key| object.get(key).and_then(Value::as_str);
    let status = text("status")?;
    let is = |words: &[&str]| words.iter().any(|word| status.eq_ignore_ascii_case(word));
    let state = match () {
        () if is(&["degraded", "warn"]) => HealthState::Degraded,
        () if is(&["unhealthy", "offline", "fail", "down"]) => HealthState::Unhealthy,
        () => HealthState::Healthy,
    };
    Some(HealthStatus::new(state, bounded(text("message").unwrap_or_default())))
}

/// What a plugin in lines answers to a ping.
#[cfg(feature = "probe-unix")]
pub(super) fn ping(line: &[u8]) -> HealthStatus {
    let Some(object) = object(line) else {
        return HealthStatus::unhealthy("the answer to the ping is no JSON object");
    };
    if object.get("success").and_then(Value::as_bool) == Some(true) {
        return HealthStatus::healthy();
    }
    let said = object.get("error").and_then(Value::as_str).unwrap_or("it gave no reason");
    HealthStatus::unhealthy(format!("the ping was not answered well: {}", bounded(said)))
}
