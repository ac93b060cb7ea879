//! Adapters to tower's own retry: the decisions as its policy, the budget as its budget.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use plugin_core::{
    ByErrorType, Classify, Judgement,
    classify::of_attempt,
    clock::{self, Instant},
};
use tokio::time::Sleep;
use tower::retry::{Policy as TowersPolicy, budget::Budget as TowersBudget};

use crate::{
    Attempt, Budget, Kept, RetryConfig, RetryHandle,
    decide::{self, GaveUp, Situation},
    state::RetryState,
};

impl TowersBudget for Budget {
    fn deposit(&self) {
        Budget::deposit(self, clock::now());
    }

    fn withdraw(&self) -> bool {
        Budget::withdraw(self, clock::now()).is_some()
    }
}

/// The decisions of a [`RetryLayer`](crate::RetryLayer) for `tower::retry::RetryLayer`.
///
/// It serves requests that keep themselves, such as [`plugin_core::Call`]. Clones share budget, settings and counters.
/// tower's future does not say when it was dropped, so a retry counts as spent when it is decided.
pub struct TowerPolicy<C = ByErrorType> {
    state: Arc<RetryState>,
    classify: C,
    started: Instant,
    /// When the attempt began that runs.
    began: Instant,
    retries: u16,
    last_wait: Duration,
}

impl TowerPolicy {
    /// Retries by what the error says ([`ByErrorType`]).
    #[must_use]
    pub fn new(config: RetryConfig) -> Self {
        let state = Arc::new(RetryState::new(config, true, None));
        let began = Instant::ZERO;
        Self { state, classify: ByErrorType, started: began, began, retries: 0, last_wait: Duration::ZERO }
    }
}

impl<C> TowerPolicy<C> {
    /// Sets what counts as a failure: a ready-made [`Classify`](plugin_core::Classify) or a closure. Default:
    /// `ByErrorType`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> TowerPolicy<C2> {
        let Self { state, started, began, retries, last_wait, .. } = self;
        TowerPolicy { state, classify, started, began, retries, last_wait }
    }

    /// Reads and changes what all clones share.
    pub fn handle(&self) -> RetryHandle {
        RetryHandle::new(Arc::clone(&self.state))
    }

    fn next<Req: Kept<Req>>(
        &mut self,
        config: &RetryConfig,
        judged: &Judgement,
        request: &mut Req,
    ) -> Result<Duration, GaveUp> {
        if self.state.control().passes_through() {
            return Err(GaveUp::Attempts);
        }
        let now = clock::now();
        let deadline = request.deadline(self.started);
        let situation = Situation {
            retries: self.retries,
            cap: request.max_retries(),
            idempotent: request.idempotent(),
            deadline,
            last_wait: self.last_wait,
            now,
            random: fastrand::f64(),
        };
        let wait = decide::next(config, judged, &situation)?;
        if let Some(instance) = judged.instance() {
            request.note_failure(instance);
        }
        let withdrawn = self.state.spend(config, judged, now)?;
        let number = self.retries + 1;
        let again = request.again(Attempt { number, at: now.saturating_add(wait), deadline, beside: false });
        let Some(again) = again else {
            withdrawn.into_iter().for_each(|withdrawal| self.state.budget().give_back(withdrawal));
            return Err(GaveUp::NotKept);
        };
        *request = again;
        (self.retries, self.last_wait) = (number, wait);
        Ok(wait)
    }
}

impl<C, Req, Res, Err> TowersPolicy<Req, Res, Err> for TowerPolicy<C>
where
    C: Classify<Res, Err>,
    Req: Kept<Req> + Clone,
{
    type Future = Sleep;

    fn retry(&mut self, request: &mut Req, result: &mut Result<Res, Err>) -> Option<Sleep> {
        let judged = of_attempt(&self.classify, result.as_ref(), self.began);
        let config = self.state.config();
        let is_retryable = decide::is_retryable(&config, &judged);
        // Relaxed, here and below: counts.
        let counters = &self.state.counters;
        if judged.is_answer() && !is_retryable {
            self.state.succeeded(self.state.control(), clock::now());
            counters.recovered.fetch_add(u64::from(self.retries > 0), Ordering::Relaxed);
            return None;
        }
        self.state.failed(&config, &judged, is_retryable);
        match if is_retryable { self.next(&config, &judged, request) } else { Err(GaveUp::Final) } {
            Ok(wait) => {
                self.state.counters.retries.fetch_add(1, Ordering::Relaxed);
                Some(tokio::time::sleep(wait))
            }
            Err(reason) => {
                self.state.counters.gave_up[reason.index()].fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        self.began = clock::now();
        if self.retries == 0 {
            self.started = self.began;
        }
        Some(request.clone())
    }
}

impl<C: Clone> Clone for TowerPolicy<C> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            classify: self.classify.clone(),
            started: self.started,
            began: self.began,
            retries: self.retries,
            last_wait: self.last_wait,
        }
    }
}

impl<C> fmt::Debug for TowerPolicy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerPolicy").field("config", &self.state.config()).finish_non_exhaustive()
    }
}
