//! Judging plugin errors by their codes.

use std::{sync::Arc, time::Duration};

use plugin_core::{AnyError, Classify, Code, PluginError, Verdict};

/// Counts only plugin errors of these codes as failures, and ignores the others. Without any code it is [`AnyError`].
///
/// It serves the setting `on`, whose names [`CircuitBreakerConfig::on`](crate::CircuitBreakerConfig::on) has checked.
#[derive(Clone, Debug, Default)]
pub struct FailureCodes {
    codes: Option<Arc<[Code]>>,
}

impl FailureCodes {
    /// Codes by their text (`PLUGIN_1205`), or whole ranges by its first part (`TRANSPORT`). Unknown names are no codes.
    #[must_use]
    pub fn new<N: AsRef<str>>(names: &[N]) -> Self {
        if names.is_empty() {
            return Self::default();
        }
        let named = |code: &Code| names.iter().any(|name| is_named(*code, name.as_ref()));
        Self { codes: Some(Code::ALL.iter().copied().filter(named).collect()) }
    }
}

/// Whether the name is the code's text, or that of its range.
pub(crate) fn is_named(code: Code, name: &str) -> bool {
    let text = code.as_str();
    text == name || text.split_once('_').is_some_and(|(range, _)| range == name)
}

impl<Res> Classify<Res, PluginError> for FailureCodes {
    #[inline]
    fn classify(&self, result: Result<&Res, &PluginError>) -> Verdict {
        match (result, &self.codes) {
            (Ok(_), _) => Verdict::Success,
            (Err(_), None) => AnyError.classify(result),
            (Err(error), Some(codes)) if codes.contains(&error.code()) => Verdict::Failure,
            (Err(_), Some(_)) => Verdict::Ignored,
        }
    }

    fn retry_after(&self, result: Result<&Res, &PluginError>) -> Option<Duration> {
        AnyError.retry_after(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_codes_are_failures() {
        let by = FailureCodes::new(&["PLUGIN_1205", "TRANSPORT"]);
        let of = |code| by.classify(Err::<&(), _>(&PluginError::new(code, "x")));
        assert_eq!(of(Code::ConnectionFailed), Verdict::Failure);
        assert_eq!(of(Code::parse("TRANSPORT_1301").expect("a code")), Verdict::Failure);
        assert_eq!(of(Code::ExecutionFailed), Verdict::Ignored);
    }

    #[test]
    fn without_a_name_every_error_of_the_plugin_is_a_failure() {
        let by = FailureCodes::new::<&str>(&[]);
        assert_eq!(by.classify(Err::<&(), _>(&PluginError::execution("x"))), Verdict::Failure);
        assert_eq!(by.classify(Err::<&(), _>(&PluginError::not_found("x"))), Verdict::Ignored);
    }
}
