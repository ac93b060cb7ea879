//! What a call shows of the service, for a limit that is adaptive.

use std::time::Duration;

use plugin_core::{Classify, End, Judgement, Verdict, classify::of_attempt, clock, deadline::cut};

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
    // A head that says that there is no room is not made better by its body.
    if judged.verdict() == Verdict::AtEnd && !judged.is_overload() {
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
    if judged.is_overload() {
        return Some(PermitOutcome::Overloaded);
    }
    (judged.verdict() == Verdict::Success).then_some(PermitOutcome::Answered)
}
