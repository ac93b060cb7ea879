//! What a call shows of the service, for a limit that is adaptive.

use std::time::Duration;

use plugin_core::{
    Classify, Code, CodeKind, End, Judgement, Verdict,
    classify::{Cause, of_attempt},
    clock,
    deadline::cut,
};

use super::{Permit, PermitOutcome, hold::Held};

/// The permit of a response whose body may still be read.
pub(super) struct InFlight<C> {
    pub(super) permit: Permit,
    pub(super) at_end: Option<AtItsEnd<C>>,
}

/// A response that is judged at its end. It took the time to its head.
pub(super) struct AtItsEnd<C> {
    took: Duration,
    classify: C,
    // A function instead of the types, which need not be `'static`.
    judge: fn(&C, End<'_>) -> Judgement,
}

impl<C: Send + 'static> Held for InFlight<C> {
    fn end(mut self, end: End<'_>) {
        if let Some(AtItsEnd { took, classify, judge }) = self.at_end
            && let Some(outcome) = outcome(&judge(&classify, end))
        {
            self.permit.report_at(outcome, took, clock::now());
        }
    }
}

/// A call has its answer, or its head.
#[inline]
pub(super) fn ended<C, Res, Err>(permit: &mut Permit, classify: &C, result: Result<&Res, &Err>) -> Option<AtItsEnd<C>>
where
    C: Classify<Res, Err> + Clone,
{
    let began = permit.began()?;
    let now = clock::now();
    let took = now.saturating_since(began);
    let judged = of_attempt(classify, result, began);
    if judged.verdict() == Verdict::AtEnd {
        return Some(AtItsEnd { took, classify: classify.clone(), judge: C::classify_end });
    }
    if let Some(outcome) = outcome(&judged) {
        permit.report_at(outcome, took, now);
    }
    None
}

/// A call is dropped that holds a permit. At the end of its time it says that the service did not answer in it, if it had
/// enough; otherwise it says nothing.
pub(super) fn dropped(permit: &mut Permit) {
    if let Some(began) = permit.began()
        && cut::current().is_some_and(|cut| cut.of_part(began).is_evidence())
    {
        permit.report(PermitOutcome::Overloaded);
    }
}

/// What an outcome shows. `None`: nothing of how busy the service is.
fn outcome(judged: &Judgement) -> Option<PermitOutcome> {
    if judged.verdict() == Verdict::Success {
        return Some(PermitOutcome::Answered);
    }
    let is_overload = match judged.refusal().or(judged.code()).map(Code::kind) {
        // A caller that was in a hurry says nothing of the service.
        Some(CodeKind::Timeout) => !judged.is_mere_refusal(),
        Some(CodeKind::RateLimited | CodeKind::Overloaded) => true,
        _ => says_overload(judged.cause()),
    };
    is_overload.then_some(PermitOutcome::Overloaded)
}

/// Whether a status says that there is no room, or was no answer in time.
fn says_overload(cause: Option<Cause>) -> bool {
    match cause {
        Some(Cause::Http(status) | Cause::CodeOfHttp(_, status)) => matches!(status, 429 | 504),
        Some(Cause::Grpc(status) | Cause::CodeOfGrpc(_, status)) => matches!(status, 4 | 8),
        _ => false,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use plugin_core::Rejected;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caused(cause: Cause) -> Judgement {
        Judgement::failure().with_cause(cause)
    }

    #[test]
    fn what_says_that_there_is_no_room_or_was_no_answer_in_time_is_an_overload() {
        for judged in [
            caused(Cause::Http(429)),
            caused(Cause::Http(504)),
            caused(Cause::Grpc(4)),
            caused(Cause::Grpc(8)),
            caused(Cause::CodeOfHttp(Code::HttpTransport, 429)),
            caused(Cause::Code(Code::QueueFull)),
            caused(Cause::Code(Code::Timeout)),
            Judgement::from(&Rejected::overloaded()),
            Judgement::from(&Rejected::attempt_timeout(SECOND)),
        ] {
            assert_eq!(outcome(&judged), Some(PermitOutcome::Overloaded), "{judged:?}");
        }
    }

    #[test]
    fn an_error_of_another_kind_says_nothing_and_a_success_how_long_it_took() {
        for judged in [
            caused(Cause::Http(500)),
            caused(Cause::Grpc(13)),
            caused(Cause::Code(Code::ExecutionFailed)),
            Judgement::ignored(),
            Judgement::from(&Rejected::circuit_open(None)),
            Judgement::from(&Rejected::deadline_exceeded(SECOND, None)),
        ] {
            assert_eq!(outcome(&judged), None, "{judged:?}");
        }
        assert_eq!(outcome(&Judgement::success()), Some(PermitOutcome::Answered));
    }
}
