//! `retryable` and `retry_after_ms` of a plugin's error, as every transport carries them.
//!
//! The names are the same in a reply of the line protocol and in a problem document: `retryable` and `retry_after_ms`.

use std::time::Duration;

use plugin_core::{Code, PluginError};

/// What a plugin says of another attempt. What it does not say, the code of its error does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryHint {
    pub(crate) retryable: Option<bool>,
    pub(crate) retry_after: Option<Duration>,
}

/// What the code of a plugin's error says of another attempt. Of a time-out: that was some limit of the plugin's own, as far
/// as it alone knows, and another attempt may end otherwise.
pub(crate) fn by_code(code: Code) -> bool {
    code.is_retryable() || code == Code::Timeout
}

/// Whole milliseconds, rounded up, so that who comes back then is not early.
pub(crate) fn millis_up(after: Duration) -> u64 {
    u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl RetryHint {
    /// What an error of a plugin says to who called it. A refusal of the plugin's own layers says what it says to every
    /// caller from outside: whether to come back, be it later.
    pub(crate) fn of_error(error: &PluginError) -> Self {
        let retryable = match error.rejected() {
            Some(rejected) => rejected.is_worth_coming_back(),
            None => error.is_retryable(),
        };
        Self { retryable: Some(retryable), retry_after: error.retry_after() }
    }

    /// The same where it says more than an error with this code does anyway. Whoever reads it may not know the code, and
    /// then takes it for one that is not repeated.
    #[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
    pub(crate) fn beyond(self, code: Code) -> Self {
        Self { retryable: self.retryable.filter(|retryable| *retryable || by_code(code)), ..self }
    }

    /// The time that is written.
    #[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
    pub(crate) fn retry_after_ms(self) -> Option<u64> {
        self.retry_after.map(millis_up)
    }
}

#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
impl RetryHint {
    /// Reads both, which are JSON. A value that is none is as if it were not there, as with `Retry-After`: an error must not lose its code
    /// for it.
    #[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
    pub(crate) fn read(retryable: Option<&str>, retry_after_ms: Option<&str>) -> Self {
        let after = retry_after_ms.map(super::metadata::text);
        Self::of_texts(retryable, after.as_deref())
    }

    /// The same out of texts.
    #[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
    pub(crate) fn of_texts(retryable: Option<&str>, retry_after_ms: Option<&str>) -> Self {
        let retryable = retryable.and_then(|text| text.parse().ok());
        Self { retryable, retry_after: retry_after_ms.and_then(plugin_core::classify::retry_after::from_millis) }
    }

    /// The error as this says it.
    pub(crate) fn apply_to(self, mut error: PluginError) -> PluginError {
        if let Some(retryable) = self.retryable {
            error = error.with_retryable(retryable);
        }
        match self.retry_after {
            Some(after) => error.with_retry_after(after),
            None => error,
        }
    }
}

#[cfg(all(
    test,
    any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux"))
))]
mod tests {
    use super::*;
    use plugin_core::Rejected;

    const SECOND: Duration = Duration::from_secs(1);

    fn read(retryable: &str, retry_after_ms: &str) -> RetryHint {
        RetryHint::read(Some(retryable), Some(retry_after_ms))
    }

    #[test]
    fn what_is_no_time_is_none_and_the_longest_is_a_day() {
        for (json, after) in [
            ("0", Some(Duration::ZERO)),
            ("250", Some(SECOND / 4)),
            ("\"250\"", Some(SECOND / 4)),
            ("1000000000", Some(86_400 * SECOND)),
            ("99999999999999999999999999", Some(86_400 * SECOND)),
            ("-1", None),
            ("1.5", None),
            ("1e9", None),
            ("\"soon\"", None),
            ("\"+5\"", None),
            ("\"5s\"", None),
            ("\"\"", None),
            ("null", None),
            ("true", None),
            ("[250]", None),
        ] {
            assert_eq!(read("null", json), RetryHint { retryable: None, retry_after: after }, "{json}");
        }
        for (json, retryable) in [("true", Some(true)), ("false", Some(false)), ("\"true\"", None), ("1", None)] {
            assert_eq!(read(json, "null").retryable, retryable, "{json}");
        }
    }

    #[test]
    fn what_is_written_is_what_a_reader_would_not_know_from_the_code() {
        let written = |error: PluginError| {
            let code = error.code();
            let again = RetryHint::of_error(&error).beyond(code);
            (again.retryable, again.retry_after_ms())
        };
        assert_eq!(written(PluginError::execution("no")), (None, None));
        assert_eq!(written(PluginError::execution("no").with_retryable(true)), (Some(true), None));
        assert_eq!(
            written(PluginError::new(Code::ConcurrencyExceeded, "no").with_retryable(false)),
            (Some(false), None)
        );
        assert_eq!(written(PluginError::new(Code::Timeout, "no")), (Some(false), None));
        let micros = Duration::from_micros(1_500_001);
        assert_eq!(written(Rejected::rate_limited(micros).into()), (Some(true), Some(1_501)));
        assert_eq!(written(Rejected::circuit_open(Some(SECOND)).into()), (Some(true), Some(1_000)));
        assert_eq!(written(Rejected::unhealthy().into()), (None, None));
    }
}
