//! A probe that answers what the test says, and notices when checks overlap or are dropped.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{HealthState, HealthStatus, Probe, clock};

#[derive(Clone)]
pub(crate) struct Scripted(Arc<Shared>);

struct Shared {
    answer: Mutex<Answer>,
    started: Mutex<Vec<clock::Instant>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) state: HealthState,
    pub(crate) after: Duration,
    pub(crate) panics: bool,
}

struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub(crate) fn new(state: HealthState) -> Self {
        let answer = Answer { state, after: Duration::ZERO, panics: false };
        Self(Arc::new(Shared {
            answer: Mutex::new(answer),
            started: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn set(&self, state: HealthState) {
        self.change(|answer| answer.state = state);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Answer)) {
        change(&mut self.0.answer.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// When each check began.
    pub(crate) fn started(&self) -> Vec<clock::Instant> {
        self.0.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.started().len()
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    pub(crate) fn most_running(&self) -> usize {
        self.0.most_running.load(Ordering::SeqCst)
    }

    pub(crate) fn probe(&self) -> Probe {
        let shared = Arc::clone(&self.0);
        Arc::new(move || {
            let shared = Arc::clone(&shared);
            let answer = *shared.answer.lock().unwrap_or_else(PoisonError::into_inner);
            shared.started.lock().unwrap_or_else(PoisonError::into_inner).push(clock::now());
            let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
            shared.most_running.fetch_max(running, Ordering::SeqCst);
            let guard = Running(shared);
            Box::pin(async move {
                let _guard = guard;
                tokio::time::sleep(answer.after).await;
                assert!(!answer.panics, "asked to");
                HealthStatus::new(answer.state, "")
            })
        })
    }
}
