//! The fuzz target of what an answer says that is no success.

use plugin_core::classify::retry_after;

use super::{
    HttpConfig,
    fault::{MAX_DETAIL, problem},
};
use crate::wire::plugin_errors;

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

#[cfg(test)]
fuzz_twins::twins!(http_problem);
