//! Judges an outcome in the time that the attempt or the call had.

use super::{judge::Classify, judgement::Judgement};
use crate::{clock::Instant, deadline::cut};

/// Judges the outcome of an attempt that began at the moment `began`. A layer that knows when the attempt began calls this,
/// and not [`Classify::classify`].
///
/// An error, or a gRPC status, that says no more than that the time was up which the service was told, such as tonic's
/// `Timeout expired`, is evidence against the service when the service had enough of it. What counts is the time of the attempt: a dependency that a handler called late
/// had less than the handler. An attempt that was never seen waiting began at [`Instant::MAX`]: it had none.
#[inline]
pub fn of_attempt<C, Res, Err>(classify: &C, result: Result<&Res, &Err>, began: Instant) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    unless_told(classify, result, |judge| cut::narrow(began, judge))
}

/// Judges the outcome of a call that began at the moment `began`, for a layer that may stand outside of those that own its
/// time, and [forgets](cut::forget_told) what was told before it polls: the end of a told time is the same to it as to who
/// has judged it further in.
#[inline]
pub fn of_call<C, Res, Err>(classify: &C, result: Result<&Res, &Err>, began: Instant) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    unless_told(classify, result, |judge| cut::as_told(began, judge))
}

/// Judges what may be the end of a told time in the time that is known of it, and a success as it is.
#[inline]
fn unless_told<C, Res, Err>(
    classify: &C,
    result: Result<&Res, &Err>,
    in_its_time: impl FnOnce(&dyn Fn() -> Judgement) -> Judgement,
) -> Judgement
where
    C: Classify<Res, Err> + ?Sized,
{
    /// Out of line, so that what is known of a success is known where it is asked for.
    #[cold]
    #[inline(never)]
    fn cold(judge: impl FnOnce() -> Judgement) -> Judgement {
        judge()
    }

    if result.is_ok() {
        let judged = classify.classify(result);
        if !judged.is_told_time() {
            return judged;
        }
    }
    cold(|| in_its_time(&|| classify.classify(result)))
}
