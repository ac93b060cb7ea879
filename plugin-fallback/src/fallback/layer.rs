//! The layer.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, atomic::AtomicU64},
};

use plugin_core::{ByErrorType, Classify, Judgement, Verdict, classify::Amendment, sync::Striped};

use super::{FallbackFn, FallbackHandle, FallbackService, FallbackValue, counted_answer::CountedAnswer};

/// Answers something else where the inner service fails.
///
/// The error type stays. Only [`service`](Self::service) needs the request, and clones it for every call; a value or a
/// function needs no `Clone` of it. A call that does not fail costs one reference count, in a
/// stripe of the thread's own. A future that is dropped drops whichever of the two calls is running.
///
/// ```
/// use plugin_fallback::FallbackLayer;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = FallbackLayer::value(0);
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|text: &'static str| async move { text.parse::<u32>().map_err(BoxError::from) }));
///
/// assert_eq!(service.clone().oneshot("42").await?, 42);
/// assert_eq!(service.oneshot("forty-two").await?, 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "a layer does nothing until it wraps a service"]
pub struct FallbackLayer<I, C = EveryFailure> {
    /// `None` when it is switched off.
    pub(super) shared: Option<Striped<CountedAnswer<I>>>,
    pub(super) used: Arc<AtomicU64>,
    pub(super) classify: C,
}

/// Every error is a failure, refusals and the caller's own mistakes too, and every response a success: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryFailure;

impl<Res, Err: 'static> Classify<Res, Err> for EveryFailure {
    const JUDGES_RESPONSES: bool = false;

    #[inline]
    fn classify(&self, outcome: Result<&Res, &Err>) -> Judgement {
        if outcome.is_ok() {
            Judgement::success()
        } else {
            ByErrorType.classify(outcome).with_verdict(Verdict::Failure)
        }
    }

    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        ByErrorType.amend(outcome, with);
    }
}

impl<V> FallbackLayer<FallbackValue<V>> {
    /// Answers with a clone of this value.
    pub fn value(value: V) -> Self {
        Self::new(FallbackValue(value))
    }
}

impl<F, Res, Err> FallbackLayer<FallbackFn<F, Res, Err>>
where
    F: Fn(Result<Res, Err>) -> Result<Res, Err>,
{
    /// Answers with what the closure makes of the failed outcome: an error, or a response where
    /// [`classify`](Self::classify) selects responses.
    pub fn with(make: F) -> Self {
        Self::new(FallbackFn { make, reads: PhantomData })
    }
}

impl<S> FallbackLayer<FallbackService<S>> {
    /// Sends the request to this service, of which it makes a clone that it waits to be ready. Its error, when it fails
    /// too, is the error of the call, and says what was sent to either of the two.
    pub fn service(other: S) -> Self {
        Self::new(FallbackService(other))
    }
}

impl<I> FallbackLayer<I> {
    /// Answers in a way of your own.
    pub fn new(answer: I) -> Self {
        let used = Arc::<AtomicU64>::default();
        Self { shared: Some(Striped::new(CountedAnswer::new(answer, Arc::clone(&used)))), used, classify: EveryFailure }
    }

    /// Passes everything on. It has the type of a layer that is at work, such as
    /// `FallbackLayer::<FallbackValue<Reply<Bytes>>>::disabled()`, so that a stack is of one type with and without a fallback.
    pub fn disabled() -> Self {
        Self { shared: None, used: Arc::default(), classify: EveryFailure }
    }
}

impl<I, C> FallbackLayer<I, C> {
    /// Replaces what this classifier judges a failure, and every refusal by a layer that it does not judge a success, be
    /// it an error or a response. The caller's own mistakes pass. So does a response that is judged at the end of its body:
    /// it has begun.
    pub fn classify<C2>(self, classify: C2) -> FallbackLayer<I, C2> {
        FallbackLayer { shared: self.shared, used: self.used, classify }
    }

    /// For HTTP: replaces responses with a status from 500, errors and refusals.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> FallbackLayer<I, plugin_core::ByHttpStatus> {
        self.classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: replaces responses whose head has the status of a failure, errors and refusals. A stream that has begun
    /// passes.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> FallbackLayer<I, plugin_core::ByGrpcStatus> {
        self.classify(plugin_core::ByGrpcStatus)
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// For plugins: replaces every error, as it does by default.
    pub fn for_calls(self) -> FallbackLayer<I> {
        self.classify(EveryFailure)
    }

    /// Replaces the outcomes for which the closure answers `true`, be they errors or responses, and no others.
    pub fn when<F, Res, Err>(self, judge: F) -> FallbackLayer<I, impl Fn(Result<&Res, &Err>) -> Verdict + Clone>
    where
        F: Fn(Result<&Res, &Err>) -> bool + Clone,
    {
        self.classify(move |outcome: Result<&Res, &Err>| match judge(outcome) {
            true => Verdict::Failure,
            false => Verdict::Success,
        })
    }

    /// Reads how often the fallback was used, by every service that this layer makes.
    pub fn handle(&self) -> FallbackHandle {
        FallbackHandle(Arc::clone(&self.used))
    }

    /// Whether it was made by something else than [`disabled`](FallbackLayer::disabled).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.is_some()
    }
}

impl<I, C: Clone> Clone for FallbackLayer<I, C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), used: Arc::clone(&self.used), classify: self.classify.clone() }
    }
}

impl<I, C> fmt::Debug for FallbackLayer<I, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer").field("enabled", &self.is_enabled()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use plugin_core::classify::sees_failures;

    use super::*;

    #[test]
    fn there_is_no_failure_to_answer_where_there_can_be_no_error() {
        assert!(!sees_failures::<EveryFailure, (), Infallible>());
    }
}
