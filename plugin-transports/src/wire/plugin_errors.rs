//! From the code and text of a plugin's error to a `PluginError`, the same for every transport.

use std::borrow::Cow;

use plugin_core::{Code, CodeKind, PluginError, clock, deadline::cut::AttemptTime};

use super::retry_hint::{self, RetryHint};

/// The code that a plugin gives its error, where it is one that an answer can have: the payload or who sent it is at fault,
/// or the plugin has no time or room for the call. What is wrong between host and plugin is for the host to say.
pub(crate) fn code(text: &str) -> Option<Code> {
    Code::parse(text).filter(|code| {
        let kind = matches!(
            code.kind(),
            CodeKind::Payload | CodeKind::Execution | CodeKind::Timeout | CodeKind::RateLimited | CodeKind::Overloaded
        );
        kind || *code == Code::Forbidden
    })
}

/// The error that a plugin answers with, and what it says of another attempt.
pub(crate) fn error(code: Code, text: impl Into<Cow<'static, str>>, again: RetryHint) -> PluginError {
    again.apply_to(PluginError::new(code, text).with_retryable(retry_hint::by_code(code)))
}

/// What a plugin's answer that its time was up means for a call that was told this time: the end of the time, as whoever
/// owns it would say, or the plugin's own `error` with time left.
pub(crate) fn out_of_time(error: PluginError, time: &AttemptTime, stage: &'static str) -> PluginError {
    match time.answered(clock::now()) {
        Some(refusal) => refusal.with_stage(Some(stage)).into(),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plugin_core::clock::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_is_out_of_time_is_judged_by_the_time_that_it_was_told() {
        const SECOND: Duration = Duration::from_secs(1);
        // The time that its caller gives, of 30 s; when it answers; whether it is the end of that time, and evidence.
        for (given, after, refusal) in [
            (SECOND, SECOND, Some(false)),
            (SECOND, SECOND / 2, Some(false)),
            (20 * SECOND, 20 * SECOND - Duration::from_millis(1), Some(true)),
            (20 * SECOND, 2 * SECOND, None),
        ] {
            let since = clock::now();
            let deadline: Instant = since.saturating_add(given);
            let time = AttemptTime::new(since).with_limit(Some(30 * SECOND)).with_deadline(Some(deadline), given);
            tokio::time::advance(after).await;
            let error = out_of_time(error(Code::Timeout, "no time", RetryHint::default()), &time, "waiting");
            assert_eq!(error.code(), Code::Timeout);
            assert_eq!(error.rejected().map(|rejected| rejected.is_evidence()), refusal, "{given:?} {after:?}");
            assert_eq!(error.is_retryable(), refusal.is_none());
        }
    }
}
