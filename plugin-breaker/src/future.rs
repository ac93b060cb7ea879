//! The response future of a breaker.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    Classify, End, ExpectedBody, Judgement, Observe, Observer, Outcome, Reject, ResponseBodyRule, Verdict,
    classify::{of_attempt, sees_failures},
    clock::Instant,
    ejected, polled_after_end, readiness, service,
};
use tower_service::Service;

use crate::guard::{Admission, Guard, Hold};

pin_project! {
    /// The future of [`CircuitBreaker`](crate::CircuitBreaker) and [`KeyedBreaker`](crate::KeyedBreaker).
    ///
    /// Dropping it drops the call, which counts as [`Cancelled`](crate::Cancelled) says and gives a probe's place back. A
    /// call that is dropped because its time was up is a failure when the service had at least half of that time
    /// ([`cut::is_evidence`](plugin_core::deadline::cut::is_evidence)). A panic of the inner future counts as a failure.
    #[must_use = "a future does nothing until it is polled"]
    pub struct ResponseFuture<F, C, R, O> {
        #[pin]
        inner: Option<F>,
        // After the inner future, so that a probe's place is not free while the work still lives.
        admission: Admission<Hold>,
        asked: ExpectedBody,
        classify: C,
        reject: R,
        outcome: PhantomData<fn() -> O>,
    }
}

impl<F, C, R, O> ResponseFuture<F, C, R, O> {
    /// Calls the inner service, unless the call is refused.
    #[inline]
    pub(crate) fn call<S, Req>(
        service: &mut S,
        request: Req,
        mut admission: Admission<Hold>,
        classify: C,
        reject: R,
    ) -> Self
    where
        S: Service<Req, Future = F>,
        O: ResponseBodyRule<Req>,
        C: Classify<S::Response, S::Error>,
    {
        const {
            assert!(
                sees_failures::<C, S::Response, S::Error>(),
                "this circuit breaker would never open: the service has no errors, and without a classifier of responses a \
                 status of 500 is a success. Say `.for_http()` or `.for_grpc()` (features `http` and `grpc` of \
                 plugin-breaker), or by a closure, `.classify(|_: Result<&Response, &Error>| Verdict::Success)`, where only slow \
                 calls, hangs and panics matter"
            );
        }
        let asked = O::asked(&request);
        match &mut admission {
            // A panic in the inner `call` counts as a failure.
            Admission::Judged(guard) => guard.mark(),
            Admission::Free => {}
            Admission::Refused(_) => {
                readiness::unused();
                return Self { inner: None, admission, asked, classify, reject, outcome: PhantomData };
            }
        }
        Self::made(service, request, &mut admission, asked, classify, reject)
    }

    /// A call that is made. A function of its own, without anything that must be undone when the call panics: the future of
    /// the call is then written where it stays, and not copied there.
    #[inline]
    fn made<S, Req>(
        service: &mut S,
        request: Req,
        admission: &mut Admission<Hold>,
        asked: ExpectedBody,
        classify: C,
        reject: R,
    ) -> Self
    where
        S: Service<Req, Future = F>,
    {
        let inner = Some(service::call(service, request));
        let mut admission = mem::replace(admission, Admission::Free);
        if let Admission::Judged(guard) = &mut admission {
            guard.unmark();
        }
        Self { inner, admission, asked, classify, reject, outcome: PhantomData }
    }
}

impl<F, C, R, O, Res, Err> Future for ResponseFuture<F, C, R, O>
where
    F: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err> + Clone + Send + 'static,
    R: Reject<Res, Err>,
    O: Outcome<Res>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return match mem::replace(this.admission, Admission::Free) {
                Admission::Refused(refusal) => Poll::Ready(this.reject.reject(refusal.into())),
                _ => polled_after_end("plugin_breaker::ResponseFuture"),
            };
        };
        let Admission::Judged(guard) = this.admission else {
            let result = inner.poll(cx);
            if result.is_ready() {
                this.inner.set(None);
            }
            return result;
        };
        guard.mark_poll();
        let told = ejected::told();
        let Poll::Ready(result) = inner.poll(cx) else {
            guard.unmark();
            guard.note_waiting();
            return Poll::Pending;
        };
        guard.had_turn();
        // What it held, such as a connection, is given back before others hear of the end.
        this.inner.set(None);
        // Still marked: a classifier that panics is a failure too.
        let judged = of_attempt(this.classify, result.as_ref(), guard.began().unwrap_or(Instant::MAX));
        let judged = guard.judge(judged);
        match judged.verdict() {
            Verdict::Success => guard.success(),
            // Of one instance, which is out, while others answer.
            Verdict::Failure if ejected::told() != told => guard.ignore(false),
            Verdict::Failure => guard.failure(judged.retry_after()),
            Verdict::Ignored => guard.ignore(judged.is_haste()),
            Verdict::AtEnd => {
                guard.follows();
                return Poll::Ready(match (result, mem::replace(this.admission, Admission::Free)) {
                    (Ok(response), Admission::Judged(guard)) => {
                        Ok(follow::<O, C, Res, Err>(response, *this.asked, guard, this.classify))
                    }
                    (result, Admission::Judged(mut guard)) => {
                        // An error has no end to wait for.
                        guard.ignore(false);
                        result
                    }
                    (result, _) => result,
                });
            }
        }
        *this.admission = Admission::Free;
        Poll::Ready(result)
    }
}

/// Hands the guard to whoever sees the end of the response.
fn follow<O, C, Res, Err>(response: Res, asked: ExpectedBody, guard: Guard<Hold>, classify: &C) -> Res
where
    O: Outcome<Res>,
    C: Classify<Res, Err> + Clone + Send + 'static,
{
    // A function instead of the types, which need not be `'static`.
    let judge = <C as Classify<Res, Err>>::classify_end;
    O::follow(response, asked, Observer::new(AtItsEnd { guard, classify: classify.clone(), judge }))
}

/// Judges the end of a response. Dropped before, the response was abandoned by its reader: the call was cancelled.
struct AtItsEnd<C> {
    guard: Guard<Hold>,
    classify: C,
    judge: fn(&C, End<'_>) -> Judgement,
}

impl<C: Send + 'static> Observe for AtItsEnd<C> {
    fn end(mut self: Box<Self>, end: End<'_>) {
        self.guard.mark();
        let judged = self.guard.judge((self.judge)(&self.classify, end));
        match judged.verdict() {
            Verdict::Success => self.guard.success(),
            Verdict::Failure => self.guard.failure(judged.retry_after()),
            Verdict::Ignored | Verdict::AtEnd => self.guard.ignore(judged.is_haste()),
        }
    }
}

impl<F, C, R, O> fmt::Debug for ResponseFuture<F, C, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admission = match &self.admission {
            Admission::Free => "free",
            Admission::Judged(_) => "judged",
            Admission::Refused(_) => "refused",
        };
        f.debug_struct("ResponseFuture").field("admission", &admission).finish_non_exhaustive()
    }
}
