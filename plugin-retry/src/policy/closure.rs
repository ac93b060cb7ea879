//! A policy that is a closure.

use std::{fmt, marker::PhantomData};

use super::{Judged, Policy};

/// Judges by a closure; made by the layers' `decide_with`.
///
/// It carries the types that the closure reads, so that `|result| ..` infers them from the service.
pub struct PolicyFn<F, Res, Err> {
    judge: F,
    reads: PhantomData<fn(&Res, &Err)>,
}

impl<F, Res, Err> PolicyFn<F, Res, Err>
where
    F: Fn(Result<&Res, &Err>) -> Judged,
{
    /// Judges by this closure.
    #[must_use]
    pub fn new(judge: F) -> Self {
        Self { judge, reads: PhantomData }
    }
}

impl<F, Res, Err> Policy<Res, Err> for PolicyFn<F, Res, Err>
where
    F: Fn(Result<&Res, &Err>) -> Judged,
{
    #[inline]
    fn judge(&self, result: Result<&Res, &Err>) -> Judged {
        (self.judge)(result)
    }
}

impl<F: Clone, Res, Err> Clone for PolicyFn<F, Res, Err> {
    fn clone(&self) -> Self {
        Self { judge: self.judge.clone(), reads: PhantomData }
    }
}

impl<F, Res, Err> fmt::Debug for PolicyFn<F, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyFn").finish_non_exhaustive()
    }
}
