//! One call with several callers.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::callers::Callers;
use plugin_core::{
    clock::{self, Instant},
    deadline::{self, cut},
};

/// The call. It is polled by one of its callers and dropped by another, on any thread.
pub(super) type Work<Res, Err> = Pin<Box<dyn Future<Output = Result<Res, Err>> + Send>>;

/// A call that is shared.
pub(super) struct SharedCall<Res, Err> {
    /// When it was made. It is judged by its own time, whichever of its callers leaves last.
    began: Instant,
    state: Mutex<CallState<Res, Err>>,
    callers: Arc<Callers>,
}

struct CallState<Res, Err> {
    callers: usize,
    /// The most that a caller allowed who was cut: the call may take as long as the most patient of them allows.
    allowed: Option<Duration>,
    at: At<Res, Err>,
}

enum At<Res, Err> {
    /// It is being made, or a caller polls it. That caller counts, so there is one.
    Taken,
    /// It waits.
    Waiting(Work<Res, Err>),
    /// It has ended, and callers come for the result.
    Ended(Arc<Result<Res, Arc<Err>>>),
    Panicked,
    /// Nobody will come any more.
    Over,
}

/// What a caller that polls finds.
pub(super) enum Seen<Res, Err> {
    Pending,
    /// It drove the call to its end, and no other caller is left.
    Alone(Result<Res, Err>),
    Shared {
        result: Arc<Result<Res, Arc<Err>>>,
        /// Whether it was this caller who drove the call to its end.
        drove: bool,
    },
    Panicked,
}

impl<Res, Err> SharedCall<Res, Err> {
    /// The place of the caller that makes the call.
    pub(super) const FIRST: usize = 0;

    /// A call with one caller, who is about to make it and waits until this moment.
    pub(super) fn new(until: Instant) -> Self {
        let callers = Arc::new(Callers::default());
        let first = callers.enter(until);
        debug_assert_eq!(first, Self::FIRST);
        let state = Mutex::new(CallState { callers: 1, allowed: None, at: At::Taken });
        Self { began: clock::now(), state, callers }
    }

    fn lock(&self) -> MutexGuard<'_, CallState<Res, Err>> {
        // Nothing of a user's runs under the lock, so nothing panics there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a caller that waits until this moment, and gives it its place; `None` when the call has ended or was abandoned.
    pub(super) fn join(&self, until: Instant) -> Option<usize> {
        let mut state = self.lock();
        let joins = matches!(state.at, At::Taken | At::Waiting(_));
        state.callers += usize::from(joins);
        drop(state);
        joins.then(|| self.callers.enter(until))
    }

    /// A caller is gone. `true` when it was the last one and the call was dropped under way.
    pub(super) fn leave(&self, place: usize) -> bool {
        self.callers.leave(place);
        let mut state = self.lock();
        state.callers -= 1;
        if state.callers > 0 {
            state.allowed = state.allowed.max(cut::current().and_then(|cut| cut.limit()));
            return false;
        }
        let last = std::mem::replace(&mut state.at, At::Over);
        let allowed = state.allowed;
        drop(state);
        let under_way = matches!(last, At::Taken | At::Waiting(_));
        if let At::Waiting(work) = last {
            // The call is foreign code: dropped without the lock.
            cut::shared(self.began, allowed, || drop(work));
        }
        under_way
    }

    /// Makes the call. Nothing in it ends at the deadline of the caller that makes it.
    pub(super) fn make<T>(&self, make: impl FnOnce() -> T) -> T {
        deadline::shared_by_all(self.callers.begin(), make)
    }

    /// The call was made. Followers that found it taken are told: its maker may never poll.
    pub(super) fn start(&self, work: Work<Res, Err>) {
        self.lock().at = At::Waiting(work);
        self.callers.wake_all();
    }

    /// The caller that had taken the call panicked in it.
    pub(super) fn panicked(&self) {
        self.lock().at = At::Panicked;
        self.callers.wake_all();
    }

    /// Drives the call, or finds how it ended. When the call panics, so does this: the caller then says
    /// [`panicked`](Self::panicked).
    pub(super) fn poll(&self, place: usize, cx: &Context<'_>) -> Seen<Res, Err> {
        // Before the look at the call, so that whoever changes it next finds the waker.
        self.callers.wait(place, deadline::awaited_until().unwrap_or(Instant::MAX), cx.waker());
        let mut work = match self.take() {
            Ok(work) => work,
            Err(seen) => return seen,
        };
        let last_leaves = self.callers.begin();
        let waker = Waker::from(Arc::clone(&self.callers));
        let polled = deadline::shared_by_all(last_leaves, || {
            cut::shared(self.began, None, || work.as_mut().poll(&mut Context::from_waker(&waker)))
        });
        let Poll::Ready(result) = polled else {
            self.lock().at = At::Waiting(work);
            self.callers.pause();
            return Seen::Pending;
        };
        drop(work);
        let mut state = self.lock();
        if state.callers == 1 {
            state.at = At::Over;
            return Seen::Alone(result);
        }
        let result = Arc::new(result.map_err(Arc::new));
        state.at = At::Ended(Arc::clone(&result));
        drop(state);
        self.callers.wake_all();
        Seen::Shared { result, drove: true }
    }

    /// Takes the call out, to poll it without the lock.
    fn take(&self) -> Result<Work<Res, Err>, Seen<Res, Err>> {
        let mut state = self.lock();
        match &state.at {
            At::Waiting(_) => {}
            // `Over` is left behind only by the last caller, which does not poll again.
            At::Taken | At::Over => return Err(Seen::Pending),
            At::Ended(result) => return Err(Seen::Shared { result: Arc::clone(result), drove: false }),
            At::Panicked => return Err(Seen::Panicked),
        }
        match std::mem::replace(&mut state.at, At::Taken) {
            At::Waiting(work) => Ok(work),
            _ => Err(Seen::Pending),
        }
    }
}
