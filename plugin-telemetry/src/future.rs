//! A call that is counted until it ends, however it ends.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::{Span, span::EnteredSpan};

use super::{Status, counters::Counters};
use plugin_core::{
    Classify, Code, End, ExpectedBody, Judgement, Observe, Observer, Outcome, Verdict,
    classify::of_call,
    clock::{self, Instant, end, nanos},
    deadline::cut,
    polled_after_end, service,
    sync::Lease,
};

/// A call that has begun. Dropped, it ends as cancelled; as a failure when what it ran panicked; at the end of its time
/// like a call that was refused for that.
pub(super) struct Active {
    counters: Lease<Counters>,
    started: Instant,
    span: Span,
    /// A layer further in may say when the call ended.
    takes_end: bool,
    running: bool,
    ended: bool,
}

impl Active {
    pub(super) fn new(counters: Lease<Counters>, started: Instant, span: Span, takes_end: bool) -> Self {
        counters.start();
        Self { counters, started, span, takes_end, running: false, ended: false }
    }

    /// Runs a poll of the call, in its span. The call is marked meanwhile, so that a drop under the mark is a panic.
    pub(super) fn run<T>(&mut self, f: impl FnOnce() -> T) -> T {
        self.running = true;
        // A disabled span is not entered: that is the usual case, and saves a visit to the subscriber.
        let result = if self.span.is_disabled() { f() } else { self.span.in_scope(f) };
        self.running = false;
        result
    }

    /// The same for the making of the call, which ends with [`made`](ResponseFuture::made): marks it, and is in its span for as long as
    /// the answer lives.
    pub(super) fn mark(&mut self) -> Option<EnteredSpan> {
        self.running = true;
        (!self.span.is_disabled()).then(|| self.span.clone().entered())
    }

    fn end(&mut self, status: Status, code: Option<Code>) {
        self.end_at(clock::now, status, code);
    }

    fn end_at(&mut self, end: impl FnOnce() -> Instant, status: Status, code: Option<Code>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.counters.end(status, code, nanos(end().saturating_since(self.started)));
        if !self.span.is_disabled() {
            self.span.record("status", status.as_str());
            if let Some(code) = code {
                self.span.record("code", code.as_str());
            }
        }
    }

    /// Ends as it was judged. A call that had its time and was not answered is a failure of the service, though a layer gave
    /// it up.
    fn end_as(&mut self, end: impl FnOnce() -> Instant, judged: &Judgement, is_error: bool) {
        let is_plain = judged.is_answer() && judged.refusal().is_none();
        let status = if is_plain { Status::Success } else { Status::of(judged, is_error) };
        self.end_at(end, status, if status == Status::Success { None } else { judged.code() });
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let (status, code) = match cut::current() {
            _ if self.running => (Status::Failure, Some(Code::ExecutionFailed)),
            // The same statuses as for a refusal that is answered: who saw the end of the time is one question.
            Some(cut) if cut.of_part(self.started).is_evidence() => (Status::Failure, Some(Code::Timeout)),
            Some(cut) if cut.is_held() && !cut.is_hurry() => (Status::Refused, Some(Code::Timeout)),
            Some(_) => (Status::Caller, Some(Code::Timeout)),
            None => (Status::Cancelled, None),
        };
        self.end(status, code);
    }
}

pin_project! {
    /// The future of [`Telemetry`](super::Telemetry). Dropping it drops the call and counts it as cancelled,
    /// or as a failure when it is dropped because its time was up and the service had at least half of it.
    #[must_use = "a future does nothing until it is polled"]
    pub struct ResponseFuture<F, C, O> {
        #[pin]
        inner: F,
        // After the future: a call is active for as long as its work lives.
        active: Option<Active>,
        asked: ExpectedBody,
        classify: C,
        outcome: PhantomData<fn() -> O>,
    }
}

impl<F, C, O> ResponseFuture<F, C, O> {
    /// A call that is made, under its mark. A function of its own, without anything that must be undone when the call panics: the
    /// future of the call is then written where it stays, and not copied there.
    #[inline(never)]
    pub(super) fn made<S, Req>(
        service: &mut S,
        request: Req,
        active: &mut Option<Active>,
        asked: ExpectedBody,
        classify: C,
    ) -> Self
    where
        S: Service<Req, Future = F>,
    {
        let inner = service::call(service, request);
        let mut active = active.take();
        active.iter_mut().for_each(|active| active.running = false);
        Self { inner, active, asked, classify, outcome: PhantomData }
    }
}

impl<F, C, O, Res, Err> Future for ResponseFuture<F, C, O>
where
    F: Future<Output = Result<Res, Err>>,
    Res: 'static,
    Err: 'static,
    C: Classify<Res, Err> + Clone + Send + 'static,
    O: Outcome<Res>,
{
    type Output = Result<Res, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(active) = this.active.as_mut() else { polled_after_end("plugin_telemetry::ResponseFuture") };
        // Of what a layer further in leaves there, only what it leaves in this poll is of this call.
        end::forget();
        cut::forget_told();
        let result = ready!(active.run(|| this.inner.poll(cx)));
        let Some(mut active) = this.active.take() else { return Poll::Ready(result) };
        let judged = of_call(this.classify, result.as_ref(), active.started);
        Poll::Ready(match result {
            Ok(response) if judged.verdict() == Verdict::AtEnd => {
                let classify = this.classify.clone();
                let observe = AtTheEnd { active, classify, of: PhantomData::<fn(&Res, &Err)> };
                Ok(O::follow(response, *this.asked, Observer::new(observe)))
            }
            result => {
                let end = if active.takes_end { end::heard } else { clock::now };
                active.end_as(end, &judged, result.is_err());
                result
            }
        })
    }
}

/// A call whose response has come and whose body is still read.
struct AtTheEnd<C, T> {
    active: Active,
    classify: C,
    of: PhantomData<T>,
}

impl<C, Res, Err> Observe for AtTheEnd<C, fn(&Res, &Err)>
where
    C: Classify<Res, Err> + Send + 'static,
    Res: 'static,
    Err: 'static,
{
    fn end(mut self: Box<Self>, end: End<'_>) {
        let judged = self.classify.classify_end(end);
        match judged.verdict() {
            // A body that broke off, and by nobody's fault: somebody cancelled it.
            Verdict::Ignored if matches!(end, End::Error(_)) => self.active.end(Status::Cancelled, None),
            _ => self.active.end_as(clock::now, &judged, false),
        }
    }
}

impl<F, C, O> fmt::Debug for ResponseFuture<F, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
