//! Failures by name: the list `on` of a setting.

use std::sync::Arc;

use super::{amendment::Amendment, any_error::ByErrorType, cause::Condition, judge::Classify, judgement::Judgement};
use crate::End;

/// Judges as `C` does, and takes for failures what these conditions name and nothing else, see
/// [`Judgement::failing_on`]. Without any condition it is `C`. A breaker does this by itself, with `on` of its settings.
#[derive(Clone, Debug, Default)]
pub struct FailuresOn<C = ByErrorType> {
    judge: C,
    /// `None` for an empty list, which is the usual case.
    on: Option<Arc<[Condition]>>,
}

impl FailuresOn {
    /// Judges errors.
    #[must_use]
    pub fn new(on: &[Condition]) -> Self {
        Self::over(ByErrorType, on)
    }
}

impl<C> FailuresOn<C> {
    /// Judges what this classifier judges.
    #[must_use]
    pub fn over(judge: C, on: &[Condition]) -> Self {
        Self { judge, on: (!on.is_empty()).then(|| on.into()) }
    }
}

impl<C: Classify<Res, Err>, Res, Err> Classify<Res, Err> for FailuresOn<C> {
    const JUDGES_RESPONSES: bool = C::JUDGES_RESPONSES;

    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement {
        let judged = self.judge.classify(result);
        self.on.as_deref().map_or(judged, |on| judged.failing_on(on))
    }

    fn classify_end(&self, end: End<'_>) -> Judgement {
        let judged = self.judge.classify_end(end);
        self.on.as_deref().map_or(judged, |on| judged.failing_on(on))
    }

    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        self.judge.amend(outcome, with);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Code, PluginError, Rejected, Verdict};

    fn on(names: &[&str]) -> Vec<Condition> {
        names.iter().map(|name| name.parse().expect("a condition")).collect()
    }

    #[test]
    fn the_end_of_a_response_goes_by_the_list_too_and_what_others_say_is_added() {
        let by = FailuresOn::new(&on(&["PLUGIN_1205"]));
        let ends = |code| {
            let error = PluginError::new(code, "x");
            Classify::<(), PluginError>::classify_end(&by, End::Error(&error)).verdict()
        };
        assert_eq!([Code::ConnectionFailed, Code::ExecutionFailed].map(ends), [Verdict::Failure, Verdict::Ignored]);
        let mut outcome = Err::<(), _>(PluginError::execution("x").with_sent(crate::Sent::Nothing));
        by.amend(&mut outcome, Amendment::sent());
        assert_eq!(outcome.map_err(|error| error.sent()), Err(crate::Sent::Maybe));
    }

    #[test]
    fn only_the_named_codes_are_failures() {
        let by = FailuresOn::new(&on(&["PLUGIN_1205", "TRANSPORT"]));
        let of = |error: PluginError| by.classify(Err::<&(), _>(&error)).verdict();
        assert_eq!(of(PluginError::new(Code::ConnectionFailed, "x")), Verdict::Failure);
        assert_eq!(of(PluginError::new(Code::parse("TRANSPORT_1301").expect("a code"), "x")), Verdict::Failure);
        assert_eq!(of(PluginError::execution("x")), Verdict::Ignored);
        assert_eq!(by.classify(Ok::<_, &PluginError>(&())).verdict(), Verdict::Success);
    }

    #[test]
    fn without_a_name_every_error_of_the_plugin_is_a_failure() {
        let by = FailuresOn::new(&[]);
        assert_eq!(by.classify(Err::<&(), _>(&PluginError::execution("x"))).verdict(), Verdict::Failure);
        assert_eq!(by.classify(Err::<&(), _>(&PluginError::not_found("x"))).verdict(), Verdict::Ignored);
    }

    #[test]
    fn a_caller_in_a_hurry_fails_nobody_by_any_name() {
        let by = FailuresOn::new(&on(&["PLUGIN_1204"]));
        let of = |rejected: Rejected| by.classify(Err::<&(), _>(&rejected)).verdict();
        assert_eq!(of(Rejected::deadline_exceeded(Duration::from_millis(1), None)), Verdict::Ignored);
        assert_eq!(of(Rejected::attempt_timeout(Duration::from_secs(1))), Verdict::Failure);
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_status_may_be_named_that_is_a_success_otherwise() {
        let by = FailuresOn::over(crate::ByHttpStatus::new(), &on(&["404", "503"]));
        let of = |status: u16| {
            let response = http::Response::builder().status(status).body(()).expect("a response");
            by.classify(Ok::<_, &PluginError>(&response)).verdict()
        };
        assert_eq!(
            [200, 404, 500, 503].map(of),
            [Verdict::Success, Verdict::Failure, Verdict::Ignored, Verdict::Failure]
        );
    }
}
