//! The response future.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use plugin_core::{ExpectedBody, Reject, Rejected, ResponseBodyRule, polled_after_end, readiness, service};
use tower_service::Service;

use super::KeyedPermit;
use crate::concurrency::HoldPermit;

pin_project! {
    /// The future of [`KeyedConcurrencyLimited`](super::KeyedConcurrencyLimited). Dropping it drops the call, and then frees its
    /// place.
    #[must_use = "a future does nothing until it is polled"]
    pub struct KeyedConcurrencyLimitFuture<F, K, R, O>
    where
        K: Hash,
        K: Eq,
    {
        #[pin]
        stage: Stage<F>,
        // After the call, so that its place is not free while the work still lives.
        permit: KeyedPermit<K>,
        asked: ExpectedBody,
        reject: R,
        outcome: PhantomData<fn() -> O>,
    }
}

pin_project! {
    #[project = StageProject]
    enum Stage<F> {
        Running { #[pin] inner: F },
        Refused { rejected: Option<Rejected> },
        Ended,
    }
}

impl<F, K: Hash + Eq, R, O> KeyedConcurrencyLimitFuture<F, K, R, O> {
    /// Calls the service, unless there is no permit.
    pub(super) fn call<S, Req>(
        taken: Result<KeyedPermit<K>, Rejected>,
        service: &mut S,
        request: Req,
        reject: R,
    ) -> Self
    where
        S: Service<Req, Future = F>,
        O: ResponseBodyRule<Req>,
    {
        let asked = O::asked(&request);
        let (stage, permit) = match taken {
            Ok(permit) => (Stage::Running { inner: service::call(service, request) }, permit),
            Err(rejected) => {
                readiness::unused();
                (Stage::Refused { rejected: Some(rejected) }, KeyedPermit::empty())
            }
        };
        Self { stage, permit, asked, reject, outcome: PhantomData }
    }
}

impl<F, K, R, O, Res, Err> Future for KeyedConcurrencyLimitFuture<F, K, R, O>
where
    F: Future<Output = Result<Res, Err>>,
    K: Hash + Eq + Send + 'static,
    R: Reject<Res, Err>,
    O: HoldPermit<Res>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (polled, was_made) = match this.stage.as_mut().project() {
            StageProject::Running { inner } => (ready!(inner.poll(cx)), true),
            StageProject::Refused { rejected } => match rejected.take() {
                Some(rejected) => (this.reject.reject(rejected), false),
                None => polled_again(),
            },
            StageProject::Ended => polled_again(),
        };
        // What the call held is given back before its place is free, and both before others hear of the end.
        this.stage.set(Stage::Ended);
        let permit = mem::replace(this.permit, KeyedPermit::empty());
        if was_made && !permit.is_empty() {
            return Poll::Ready(polled.map(|response| O::hold(response, *this.asked, permit)));
        }
        Poll::Ready(polled)
    }
}

fn polled_again() -> ! {
    polled_after_end("plugin_ratelimit::concurrency::KeyedConcurrencyLimitFuture")
}

impl<F, K: Hash + Eq, R, O> fmt::Debug for KeyedConcurrencyLimitFuture<F, K, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Running { .. } => "running",
            Stage::Refused { .. } => "refused",
            Stage::Ended => "ended",
        };
        f.debug_struct("KeyedConcurrencyLimitFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
