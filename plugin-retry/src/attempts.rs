//! One call over all its attempts, without the futures.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use plugin_core::{
    Classify, Judgement, Sent,
    classify::{Again, Amendment},
    clock::{self, Instant, end},
    deadline::{cut, waiting},
    sync::Lease,
};

use crate::{
    Attempt, GaveUp, Kept, Withdrawal,
    decide::{self, Situation},
    state::{RetryControl, RetryState},
};

/// What the services of one layer over one inner service share.
pub(crate) struct SharedService<T, S, C, K> {
    pub(crate) state: Arc<T>,
    pub(crate) classify: C,
    pub(crate) replay: K,
    /// Never polled. The lock is for the sake of services that are not `Sync`, and is taken to clone it alone.
    prototype: Mutex<S>,
}

impl<T, S, C, K> SharedService<T, S, C, K> {
    pub(crate) fn new(state: Arc<T>, classify: C, replay: K, prototype: S) -> Self {
        Self { state, classify, replay, prototype: Mutex::new(prototype) }
    }

    /// A service for one more attempt.
    pub(crate) fn service(&self) -> S
    where
        S: Clone,
    {
        // A panic in the service's `clone` leaves the prototype as it was.
        self.prototype.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is answered in place of an outcome of which nothing was sent, though another attempt may have been: `earlier`, the
/// error of the last attempt that may have been. An attempt that a circuit refused which its own call opened says less of
/// the call than why it opened. Where no attempt failed with an error, or the caller's time was up, it stays the outcome, and
/// says what was sent.
#[cold]
pub(crate) fn answer<C, Res, Err>(
    classify: &C,
    outcome: Result<Res, Err>,
    judged: &Judgement,
    earlier: Option<Err>,
) -> Result<Res, Err>
where
    C: Classify<Res, Err>,
{
    let (mut answer, after) = match earlier.filter(|_| judged.again() != Again::Never) {
        Some(earlier) => (Err(earlier), judged.retry_after()),
        None => (outcome, None),
    };
    classify.amend(&mut answer, Amendment::sent().with_retry_after(after));
    answer
}

/// A call over all its attempts. Dropped while it waits for the next one, it gives back what it took of the budget.
pub(crate) struct CallAttempts<S, C, K> {
    pub(crate) core: Lease<SharedService<RetryState, S, C, K>>,
    /// The settings as they were when the call came.
    control: RetryControl,
    started: Instant,
    /// An attempt was not ready at once, so that time may have passed since `started`.
    pub(crate) has_waited: bool,
    /// When the attempt began that runs.
    pub(crate) began: Instant,
    /// An attempt that ended may have been sent.
    was_sent: bool,
    retries: u16,
    last_wait: Duration,
    withdrawn: Option<Withdrawal>,
}

/// Another attempt: when, and the request for it.
pub(crate) struct Next<Req> {
    pub(crate) wait: Duration,
    pub(crate) at: Instant,
    pub(crate) request: Req,
}

impl<S, C, K> CallAttempts<S, C, K> {
    #[inline]
    pub(crate) fn new(
        core: Lease<SharedService<RetryState, S, C, K>>,
        control: RetryControl,
        started: Instant,
    ) -> Self {
        Self {
            core,
            control,
            started,
            has_waited: false,
            began: started,
            was_sent: false,
            retries: 0,
            last_wait: Duration::ZERO,
            withdrawn: None,
        }
    }

    /// Polls the attempt that runs. What it is told of its time is that of the attempt and not of the call.
    #[inline]
    pub(crate) fn polling<T>(&self, poll: impl FnOnce() -> T) -> T {
        end::forget();
        if self.retries == 0 { poll() } else { cut::narrow(self.began, poll) }
    }

    /// Drops what is under way because the call's time is up.
    #[cold]
    pub(crate) fn cut(&self, drop: impl FnOnce()) {
        if self.was_sent {
            cut::sent_before();
        }
        cut::narrow(self.began, drop);
    }

    /// Books the outcome of an attempt. `None`: it is the caller's.
    #[inline]
    pub(crate) fn after<Req, H>(&mut self, judged: &Judgement, saved: &mut Result<H, GaveUp>) -> Option<Next<Req>>
    where
        H: Kept<Req>,
    {
        if judged.is_answer() && !self.control.doubts_success() {
            self.succeeded();
            return None;
        }
        self.after_failure(judged, saved)
    }

    // Always: it has a second, rare caller, for which it would be called out of line in every call.
    #[inline(always)]
    fn succeeded(&self) {
        if self.control.counts_successes() {
            // It counts under the second of its end, which a layer further in may have looked at.
            let now = if self.has_waited { end::heard() } else { self.started };
            self.core.state.succeeded(self.control, now);
        }
        if self.retries > 0 {
            // Relaxed, here and below: a count.
            self.core.state.counters.recovered.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[cold]
    fn after_failure<Req, H>(&mut self, judged: &Judgement, saved: &mut Result<H, GaveUp>) -> Option<Next<Req>>
    where
        H: Kept<Req>,
    {
        let config = self.core.state.config();
        let is_retryable = decide::is_retryable(&config, judged);
        if judged.is_answer() && !is_retryable {
            self.succeeded();
            return None;
        }
        self.core.state.failed(&config, judged, is_retryable);
        match if is_retryable { self.next(&config, judged, saved) } else { Err(GaveUp::Final) } {
            Ok(next) => Some(next),
            Err(reason) => {
                self.core.state.counters.gave_up[reason.index()].fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn next<Req, H>(
        &mut self,
        config: &crate::RetryConfig,
        judged: &Judgement,
        saved: &mut Result<H, GaveUp>,
    ) -> Result<Next<Req>, GaveUp>
    where
        H: Kept<Req>,
    {
        // A service that is switched off meanwhile starts no attempt.
        if self.core.state.control().passes_through() {
            return Err(GaveUp::Attempts);
        }
        let saved = saved.as_mut().map_err(|reason| *reason)?;
        let now = clock::now();
        let deadline = saved.deadline(self.started);
        let situation = Situation {
            retries: self.retries,
            cap: saved.max_retries(),
            idempotent: saved.idempotent(),
            deadline,
            last_wait: self.last_wait,
            now,
            random: fastrand::f64(),
        };
        let wait = decide::next(config, judged, &situation)?;
        if let Some(instance) = judged.instance() {
            saved.note_failure(instance);
        }
        let withdrawn = self.core.state.spend(config, judged, now)?;
        let at = now.saturating_add(wait);
        let attempt = Attempt { number: self.retries + 1, at, deadline, beside: false };
        let Some(request) = saved.again(attempt) else {
            withdrawn.into_iter().for_each(|withdrawal| self.core.state.budget().give_back(withdrawal));
            return Err(GaveUp::NotKept);
        };
        self.was_sent |= judged.sent() != Sent::Nothing;
        self.withdrawn = withdrawn;
        self.last_wait = wait;
        Ok(Next { wait, at, request })
    }

    /// Whether this outcome, which nothing follows, hides that an attempt before it may have been sent.
    #[inline]
    pub(crate) fn hides_what_was_sent(&self, judged: &Judgement) -> bool {
        self.was_sent && judged.sent() == Sent::Nothing
    }

    /// The next attempt begins: what it costs is spent.
    pub(crate) fn attempts(&mut self) {
        self.began = clock::now();
        waiting::read(self.began);
        self.withdrawn = None;
        self.retries += 1;
        self.has_waited = true;
        self.core.state.counters.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The next attempt failed before it began, because the service did not become ready.
    pub(crate) fn was_not_ready(&mut self) {
        if let Some(withdrawal) = self.withdrawn.take() {
            self.core.state.budget().give_back(withdrawal);
        }
        self.retries += 1;
        self.has_waited = true;
    }
}

impl<S, C, K> Drop for CallAttempts<S, C, K> {
    fn drop(&mut self) {
        if let Some(withdrawal) = self.withdrawn.take() {
            self.core.state.budget().give_back(withdrawal);
        }
    }
}
