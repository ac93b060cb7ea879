//! When a fallback is due.

use std::{fmt, marker::PhantomData};

use crate::{Classify, Rejected, Verdict};

/// Says which outcomes are replaced.
pub trait When<Res, Err> {
    /// Whether this one is.
    fn is_due(&self, outcome: Result<&Res, &Err>) -> bool;
}

/// Every error is replaced and no response: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryError;

impl<Res, Err> When<Res, Err> for EveryError {
    fn is_due(&self, outcome: Result<&Res, &Err>) -> bool {
        outcome.is_err()
    }
}

/// What a classifier judges a failure is replaced, and every refusal by a layer of this family, be it an error or a
/// response. The caller's own mistakes pass. So does a response that is judged at the end of its body: it has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnFailure<C>(pub(super) C);

impl<Res, Err, C> When<Res, Err> for OnFailure<C>
where
    Err: 'static,
    C: Classify<Res, Err>,
{
    fn is_due(&self, outcome: Result<&Res, &Err>) -> bool {
        let verdict = self.0.classify(outcome);
        is_failure(&self.0, outcome, verdict)
    }
}

/// Whether an outcome with this verdict is a failure, or a refusal by a layer of this family.
pub(crate) fn is_failure<Res, Err, C>(classify: &C, outcome: Result<&Res, &Err>, verdict: Verdict) -> bool
where
    Err: 'static,
    C: Classify<Res, Err>,
{
    verdict == Verdict::Failure
        || match outcome {
            Ok(response) => classify.refusal(response).is_some(),
            Err(error) => Rejected::find_in(error).is_some(),
        }
}

/// A closure decides; made by [`FallbackLayer::when`](super::FallbackLayer::when).
pub struct WhenFn<F, Res, Err> {
    judge: F,
    reads: PhantomData<fn(&Res, &Err)>,
}

impl<F, Res, Err> WhenFn<F, Res, Err> {
    pub(super) fn new(judge: F) -> Self {
        Self { judge, reads: PhantomData }
    }
}

impl<F, Res, Err> When<Res, Err> for WhenFn<F, Res, Err>
where
    F: Fn(Result<&Res, &Err>) -> bool,
{
    fn is_due(&self, outcome: Result<&Res, &Err>) -> bool {
        (self.judge)(outcome)
    }
}

impl<F: Clone, Res, Err> Clone for WhenFn<F, Res, Err> {
    fn clone(&self) -> Self {
        Self::new(self.judge.clone())
    }
}

impl<F, Res, Err> fmt::Debug for WhenFn<F, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhenFn").finish_non_exhaustive()
    }
}
