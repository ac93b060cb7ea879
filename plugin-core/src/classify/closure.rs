//! Judging by a closure.

use std::{fmt, marker::PhantomData};

use super::{Classify, Verdict};

/// Judges by a closure; made by the layers' `classify_with`.
///
/// It carries the types that the closure reads, so that `|result| ..` infers them from the service.
pub struct ClassifyFn<F, Res, Err> {
    judge: F,
    reads: PhantomData<fn(&Res, &Err)>,
}

impl<F, Res, Err> ClassifyFn<F, Res, Err>
where
    F: Fn(Result<&Res, &Err>) -> Verdict,
{
    /// Judges by this closure.
    #[must_use]
    pub fn new(judge: F) -> Self {
        Self { judge, reads: PhantomData }
    }
}

impl<F, Res, Err> Classify<Res, Err> for ClassifyFn<F, Res, Err>
where
    F: Fn(Result<&Res, &Err>) -> Verdict,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        (self.judge)(result)
    }
}

impl<F: Clone, Res, Err> Clone for ClassifyFn<F, Res, Err> {
    fn clone(&self) -> Self {
        Self { judge: self.judge.clone(), reads: PhantomData }
    }
}

impl<F, Res, Err> fmt::Debug for ClassifyFn<F, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyFn").finish_non_exhaustive()
    }
}
