//! The layer and its service.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{EveryError, Instead, OnFailure, OtherService, ResponseFuture, Value, When, WhenFn, With, future::Plan};
use crate::Striped;

/// Answers something else where the inner service fails.
///
/// The error type stays. Only [`service`](Self::service) needs the request, and clones it for every call; a value or a
/// function needs no `Clone` of it. A call that does not fail costs one reference count, in a
/// stripe of the thread's own. A future that is dropped drops whichever of the two calls is running.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct FallbackLayer<I, W = EveryError> {
    /// `None` when it is switched off.
    shared: Option<Striped<Shared<I>>>,
    used: Arc<AtomicU64>,
    when: W,
}

pub(super) struct Shared<I> {
    instead: I,
    used: Arc<AtomicU64>,
}

impl<I> Shared<I> {
    /// The fallback, which is used now.
    pub(super) fn used(&self) -> &I {
        // Relaxed: a count by which nothing else is read.
        self.used.fetch_add(1, Ordering::Relaxed);
        &self.instead
    }
}

impl<V> FallbackLayer<Value<V>> {
    /// Answers with a clone of this value.
    pub fn value(value: V) -> Self {
        Self::instead(Value(value))
    }
}

impl<F, Res, Err> FallbackLayer<With<F, Res, Err>>
where
    F: Fn(Result<Res, Err>) -> Result<Res, Err>,
{
    /// Answers with what the closure makes of the failed outcome: an error, or a response where
    /// [`classify`](Self::classify) or [`when`](Self::when) selects responses.
    pub fn with(make: F) -> Self {
        Self::instead(With { make, reads: PhantomData })
    }
}

impl<S> FallbackLayer<OtherService<S>> {
    /// Sends the request to this service, of which it makes a clone that it waits to be ready. Its error, when it fails
    /// too, is the error of the call.
    pub fn service(other: S) -> Self {
        Self::instead(OtherService(other))
    }
}

impl<I> FallbackLayer<I> {
    /// Answers in a way of your own.
    pub fn instead(instead: I) -> Self {
        let used = Arc::<AtomicU64>::default();
        Self { shared: Some(Striped::new(Shared { instead, used: Arc::clone(&used) })), used, when: EveryError }
    }

    /// Passes everything on. It has the type of a layer that is at work, such as
    /// `FallbackLayer::<Value<Reply<Bytes>>>::disabled()`, so that a stack is of one type with and without a fallback.
    pub fn disabled() -> Self {
        Self { shared: None, used: Arc::default(), when: EveryError }
    }
}

impl<I, W> FallbackLayer<I, W> {
    /// Replaces what this classifier judges a failure, and every refusal by a layer of this family: see [`OnFailure`].
    pub fn classify<C>(self, classify: C) -> FallbackLayer<I, OnFailure<C>> {
        self.on(OnFailure(classify))
    }

    /// Replaces the outcomes for which the closure answers `true`, be they errors or responses.
    pub fn when<F, Res, Err>(self, judge: F) -> FallbackLayer<I, WhenFn<F, Res, Err>>
    where
        F: Fn(Result<&Res, &Err>) -> bool,
    {
        self.on(WhenFn::new(judge))
    }

    /// Replaces what this [`When`] selects.
    pub fn on<W2>(self, when: W2) -> FallbackLayer<I, W2> {
        FallbackLayer { shared: self.shared, used: self.used, when }
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

impl<S, I, W: Clone> Layer<S> for FallbackLayer<I, W> {
    type Service = Fallback<S, I, W>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback { inner, layer: self.clone() }
    }
}

impl<I, W: Clone> Clone for FallbackLayer<I, W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), used: Arc::clone(&self.used), when: self.when.clone() }
    }
}

impl<I, W> fmt::Debug for FallbackLayer<I, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer").field("enabled", &self.is_enabled()).finish_non_exhaustive()
    }
}

/// Reads how often a [`FallbackLayer`] was used.
#[derive(Clone, Debug)]
pub struct FallbackHandle(Arc<AtomicU64>);

impl FallbackHandle {
    /// The number of outcomes that were replaced, or that another service was asked about.
    #[must_use]
    pub fn used(&self) -> u64 {
        // Relaxed: a count by which nothing else is read.
        self.0.load(Ordering::Relaxed)
    }
}

/// The service that [`FallbackLayer`] makes.
pub struct Fallback<S, I, W = EveryError> {
    inner: S,
    layer: FallbackLayer<I, W>,
}

impl<S, I, W> Fallback<S, I, W> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to write to.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, I, W, Req> Service<Req> for Fallback<S, I, W>
where
    S: Service<Req>,
    I: Instead<Req, S::Response, S::Error>,
    W: When<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<Req, S::Future, I::Future, I, I::Kept, W>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let Some(shared) = &self.layer.shared else { return ResponseFuture::new(self.inner.call(request), None) };
        let shared = shared.lease();
        let plan = Plan { kept: shared.instead.keep(&request), shared, when: self.layer.when.clone() };
        ResponseFuture::new(self.inner.call(request), Some(plan))
    }
}

impl<S: Clone, I, W: Clone> Clone for Fallback<S, I, W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, I, W> fmt::Debug for Fallback<S, I, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
