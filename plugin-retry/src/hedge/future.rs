//! The race between an attempt and its hedges.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use plugin_core::{
    ByErrorType, Classify, Sent,
    classify::{Again, PushBack, of_attempt},
    clock::{self, Instant},
    deadline::{
        cut,
        timer::{self, Timer},
        waiting,
    },
    polled_after_end,
    sync::Lease,
};
use tower_service::Service;

use super::state::HedgeState;
use crate::{
    Attempt, ByRequest, Kept, Replay, Withdrawal,
    attempts::{SharedService, answer},
};

pin_project! {
    /// The future of [`Hedge`](crate::Hedge). Dropping it drops all attempts; a hedge that did not begin goes back to the
    /// budget.
    #[must_use = "a future does nothing until it is polled"]
    pub struct HedgeFuture<S, Req, C = ByErrorType, K = ByRequest>
    where
        S: Service<Req>,
        K: Replay<Req>,
    {
        #[pin]
        first: Option<S::Future>,
        // `None` once there shall be no other hedge. Beside the race, not in it: what is large is then written once.
        saved: Option<K::Kept>,
        // `None`: the call passes through, or has ended.
        race: Option<Race<S, Req, C, K>>,
    }

    impl<S, Req, C, K> PinnedDrop for HedgeFuture<S, Req, C, K>
    where
        S: Service<Req>,
        K: Replay<Req>,
    {
        fn drop(this: Pin<&mut Self>) {
            if cut::current().is_some() {
                let mut this = this.project();
                let Some(race) = this.race else { return };
                // Every attempt tells on its own, as one that tells nothing may have been sent.
                if this.first.is_some() {
                    cut::narrow(race.started, || this.first.set(None));
                }
                race.cancel();
                if race.was_sent {
                    cut::sent_before();
                }
            }
        }
    }
}

/// What an attempt is raced with.
pub(super) struct Race<S: Service<Req>, Req, C, K: Replay<Req>> {
    /// The hedges that run.
    hedges: Vec<Running<S, Req>>,
    core: Lease<SharedService<HedgeState, S, C, K>>,
    timer: Option<(Timer, Instant)>,
    started: Instant,
    /// When the first attempt was first seen waiting, where the call may be hedged.
    began: Option<Instant>,
    /// The call may be hedged, and so is measured: others may be of another kind, and nobody times how long they wait.
    measured: bool,
    launched: u16,
    /// No hedge starts before this, as the service asked.
    not_before: Instant,
    /// An attempt that ended, while others ran, may have been sent.
    was_sent: bool,
    /// The error of the last such attempt.
    failed: Option<S::Error>,
}

struct Running<S: Service<Req>, Req> {
    future: Pin<Box<HedgeAttempt<S, Req, S::Future>>>,
    began: Instant,
    withdrawn: Option<Withdrawal>,
}

pin_project! {
    #[project = HedgeAttemptProject]
    enum HedgeAttempt<S, Req, F> {
        Readying { service: S, request: Option<Req> },
        Calling { #[pin] future: F },
    }
}

impl<S, Req, C, K> HedgeFuture<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    #[inline]
    pub(super) fn passed_through(first: S::Future) -> Self {
        Self { first: Some(first), saved: None, race: None }
    }

    #[inline]
    pub(super) fn new(first: S::Future, saved: Option<K::Kept>, race: Race<S, Req, C, K>) -> Self {
        Self { first: Some(first), saved, race: Some(race) }
    }
}

impl<S, Req, C, K> Race<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    #[inline]
    pub(super) fn new(core: Lease<SharedService<HedgeState, S, C, K>>, started: Instant, measured: bool) -> Self {
        Self {
            hedges: Vec::new(),
            core,
            timer: None,
            started,
            began: None,
            measured,
            launched: 0,
            not_before: Instant::ZERO,
            was_sent: false,
            failed: None,
        }
    }
}

impl<S, Req, C, K> Race<S, Req, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    /// The answer of the call, where this outcome ends the race. While another attempt runs, a failure does not, and neither
    /// does a refusal: a circuit that has opened since says nothing of the attempt that had passed.
    fn end(
        &mut self,
        saved: &mut Option<K::Kept>,
        result: Result<S::Response, S::Error>,
        began: Instant,
        others: usize,
    ) -> Option<Result<S::Response, S::Error>> {
        let judged = of_attempt(&self.core.classify, result.as_ref(), began);
        if judged.is_answer() {
            self.core.state.succeeded(self.started, self.began, self.measured, clock::now);
        }
        match judged.push_back() {
            Some(PushBack::Never) => *saved = None,
            Some(PushBack::After(wait)) if others > 0 => self.put_off(wait),
            _ => {}
        }
        let is_unsent = judged.sent() == Sent::Nothing;
        let is_final = match judged.again() {
            Again::Yes => false,
            Again::No => !(is_unsent && judged.is_mere_refusal()),
            Again::Never => true,
        };
        if others > 0 && !is_final {
            self.was_sent |= !is_unsent;
            if let (Err(error), false) = (result, is_unsent) {
                self.failed = Some(error);
            }
            return None;
        }
        if is_unsent && (self.was_sent || others > 0) {
            return Some(answer(&self.core.classify, result, &judged, self.failed.take()));
        }
        Some(result)
    }

    /// The next hedge starts when this time has passed, and at least the delay of a hedge. gRFC A6: as if the first
    /// attempt had been sent then.
    #[cold]
    fn put_off(&mut self, wait: Duration) {
        let now = clock::now();
        let delay = self.core.state.delay(now).unwrap_or_default();
        self.not_before = self.not_before.max(now.saturating_add(wait.max(delay)));
        self.timer = None;
    }

    /// Whether a hedge is due; arms the timer for it.
    fn poll_due(&mut self, slot: &mut Option<K::Kept>, cx: &mut Context<'_>) -> bool {
        let Some(saved) = slot else { return false };
        if self.timer.is_none() {
            let now = clock::now();
            self.began = self.began.or(Some(now));
            let due = self.core.state.delay(now).map(|delay| {
                let due = now.saturating_add(delay).max(self.not_before);
                (due.saturating_since(now), due)
            });
            let deadline = saved.deadline(self.started).unwrap_or(Instant::MAX);
            // No hedge starts that cannot finish.
            let Some((delay, due)) = due.filter(|(_, due)| *due < deadline) else {
                *slot = None;
                return false;
            };
            self.timer = Some((timer::arm(delay), due));
        }
        let Some((timer, due)) = &mut self.timer else { return false };
        if timer::fired(timer.as_mut(), cx).is_pending() {
            waiting::enforcing(*due);
            return false;
        }
        self.timer = None;
        true
    }

    /// Makes another attempt, or sees to it that there is none.
    fn launch(&mut self, slot: &mut Option<K::Kept>) {
        let state = &self.core.state;
        let now = clock::now();
        let Ok(withdrawn) = state.withdraw(now) else {
            *slot = None;
            return;
        };
        let launched = self.launched + 1;
        let request = slot.as_mut().and_then(|saved| {
            let deadline = saved.deadline(self.started);
            saved.again(Attempt { number: launched, at: now, deadline, beside: true })
        });
        let Some(request) = request else {
            state.give_back(withdrawn);
            *slot = None;
            return;
        };
        let attempt = HedgeAttempt::Readying { service: self.core.service(), request: Some(request) };
        self.hedges.push(Running { future: Box::pin(attempt), began: now, withdrawn });
        self.launched = launched;
        if launched >= state.config().max {
            *slot = None;
        }
    }
}

impl<S, Req> Running<S, Req>
where
    S: Service<Req>,
{
    fn poll(&mut self, cx: &mut Context<'_>, state: &HedgeState) -> Poll<Result<S::Response, S::Error>> {
        loop {
            let next = match self.future.as_mut().project() {
                HedgeAttemptProject::Calling { future } => return cut::narrow(self.began, || future.poll(cx)),
                HedgeAttemptProject::Readying { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    let Some(request) = request.take() else { return Poll::Pending };
                    // From here on the hedge is spent. Relaxed: a count.
                    self.withdrawn = None;
                    state.launched.fetch_add(1, Ordering::Relaxed);
                    HedgeAttempt::Calling { future: service.call(request) }
                }
            };
            self.future.set(next);
        }
    }
}

impl<S, Req, C, K> Future for HedgeFuture<S, Req, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut() {
            let polled = first.poll(cx);
            if polled.is_ready() {
                this.first.set(None);
            }
            let Some(race) = this.race.as_mut() else { return polled };
            if let Poll::Ready(result) = polled
                && let Some(result) = race.end(this.saved, result, race.started, race.hedges.len())
            {
                race.lose();
                *this.race = None;
                return Poll::Ready(result);
            }
        }
        let Some(race) = this.race.as_mut() else { polled_after_end("plugin_retry::HedgeFuture") };
        let result = ready!(race.poll_hedges(this.saved, cx, this.first.is_some()));
        // The losers stop now, not when the caller gets round to dropping this future.
        if this.first.is_some() {
            cut::drop_superseded(|| this.first.set(None));
        }
        race.lose();
        *this.race = None;
        Poll::Ready(result)
    }
}

impl<S, Req, C, K> Race<S, Req, C, K>
where
    S: Service<Req> + Clone,
    C: Classify<S::Response, S::Error>,
    K: Replay<Req>,
{
    fn poll_hedges(
        &mut self,
        saved: &mut Option<K::Kept>,
        cx: &mut Context<'_>,
        first_runs: bool,
    ) -> Poll<Result<S::Response, S::Error>> {
        loop {
            let mut index = 0;
            while let Some(hedge) = self.hedges.get_mut(index) {
                let Poll::Ready(result) = hedge.poll(cx, &self.core.state) else {
                    index += 1;
                    continue;
                };
                let began = hedge.began;
                let others = self.hedges.len() - 1 + usize::from(first_runs);
                if let Some(result) = self.end(saved, result, began, others) {
                    // Relaxed: a count.
                    self.core.state.won.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
                    return Poll::Ready(result);
                }
                let lost = self.hedges.swap_remove(index);
                self.core.state.give_back(lost.withdrawn);
            }
            if !self.poll_due(saved, cx) {
                return Poll::Pending;
            }
            self.launch(saved);
        }
    }
}

impl<S, Req, C, K> Race<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    /// Drops the hedges that run when another attempt has ended the race.
    fn lose(&mut self) {
        if !self.hedges.is_empty() {
            cut::drop_superseded(|| self.cancel());
        }
    }

    /// Drops the hedges that run. What did not begin goes back to the budget.
    fn cancel(&mut self) {
        for Running { mut future, began, withdrawn } in self.hedges.drain(..) {
            cut::narrow(began, || {
                if let HedgeAttemptProject::Readying { .. } = future.as_mut().project() {
                    cut::report("waiting for the service to be ready for a hedge", Sent::Nothing);
                }
                drop(future);
            });
            self.core.state.give_back(withdrawn);
        }
    }
}

impl<S, Req, C, K> Drop for Race<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<S, Req, C, K> fmt::Debug for HedgeFuture<S, Req, C, K>
where
    S: Service<Req>,
    K: Replay<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hedges = self.race.as_ref().map_or(0, |race| race.hedges.len());
        f.debug_struct("HedgeFuture").field("hedges", &hedges).finish_non_exhaustive()
    }
}
