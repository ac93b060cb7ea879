//! The fuzz targets of what an answer says besides a result.

use plugin_core::classify::retry_after;

use super::{
    HttpConfig,
    fault::{MAX_DETAIL, problem},
    health::HealthBody,
};
use crate::wire::{bounded::MAX_ERROR, plugin_errors};

/// A problem document has a code that an answer can have, a bounded text, and a bounded time to come back after.
pub fn http_problem(bytes: &[u8]) {
    let config = HttpConfig::builder("p", "http://localhost/").build().expect("valid settings");
    let Some(problem) = problem(bytes, &config) else { return };
    assert_eq!(plugin_errors::code(problem.code.as_str()), Some(problem.code));
    assert!(problem.detail.as_ref().is_none_or(|detail| (1..=MAX_DETAIL).contains(&detail.len())));
    assert!(problem.again.retry_after.is_none_or(|after| after <= retry_after::MAX));
    let error = plugin_errors::error(problem.code, problem.detail.unwrap_or_default(), problem.again);
    assert_eq!(error.retry_after(), problem.again.retry_after);
}

/// What says how a plugin is says it in JSON, and in a bounded text.
pub fn http_health(bytes: &[u8]) {
    let Some(said) = HealthBody::read(bytes) else { return };
    // A text that nobody reads may hold what is no UTF-8.
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) {
        assert_eq!(json["status"], said.status);
    }
    assert!(said.message.len() <= MAX_ERROR);
}

#[cfg(test)]
fuzz_twins::twins!(http_problem, http_health);
