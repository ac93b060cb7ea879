//! One breaker: the words that calls read, the cells that successes write, and the lock for the rest.

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use plugin_core::{
    Judgement, Verdict,
    classify::Cause,
    clock::{self, Instant, nanos},
    events::Journal,
    sync::Pad,
};

use crate::{
    Cancelled, CircuitBreakerConfig, CircuitBreakerStats, CircuitState, Event, Events, Reason,
    machine::{Evidence, Machine, Ticket},
    published::{PublishedState, time_left},
    refusal::Refusal,
    state::PackedState,
    success_counters::{CountedIn, SuccessCounters, Tally},
    sync::{Mutex, MutexGuard},
};

/// A breaker's state, shared by everything that a layer makes.
pub(crate) struct Circuit {
    hot: Pad<PublishedState>,
    successes: SuccessCounters,
    machine: Mutex<Machine>,
    journal: OnceLock<Arc<Journal<Event>>>,
}

/// What a call that passed brings back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) packed: PackedState,
    /// The number of the probe, or 0.
    pub(crate) probe: u64,
    /// When the call began, or [`Instant::ZERO`] when nobody asks how long it takes.
    pub(crate) started: Instant,
}

impl Circuit {
    pub(crate) fn new(config: Arc<CircuitBreakerConfig>) -> Self {
        let machine = Machine::new(config, clock::now());
        let hot = PublishedState::new(&machine);
        Self {
            hot: Pad(hot),
            successes: SuccessCounters::new(),
            machine: Mutex::new(machine),
            journal: OnceLock::new(),
        }
    }

    /// A call asks to pass. `None` when it does and nobody wants to hear of its outcome.
    #[inline(always)]
    pub(crate) fn ask(&self) -> Result<Option<Admitted>, Refusal> {
        let packed = self.hot.packed();
        if packed.is_judging() {
            return Ok(Some(Admitted { packed, probe: 0, started: self.started() }));
        }
        let state = packed.state();
        if state == CircuitState::Disabled {
            return Ok(None);
        }
        match self.refused(state) {
            Some(refusal) => Err(refusal),
            None => self.ask_under_lock(),
        }
    }

    /// Whether a call that comes now would not be refused at once.
    pub(crate) fn would_ask(&self, now: Instant) -> bool {
        match self.state() {
            CircuitState::Closed | CircuitState::HalfOpen => true,
            CircuitState::Open => self.hot.may_ask(now),
            _ => false,
        }
    }

    #[inline]
    fn started(&self) -> Instant {
        if self.hot.slow_over() == u64::MAX { Instant::ZERO } else { clock::now() }
    }

    /// Why calls are refused; `None` when one may ask under the lock. Of plain words, so that a refusal costs no more than
    /// the clock and a count.
    #[inline(never)]
    fn refused(&self, state: CircuitState) -> Option<Refusal> {
        let refusal = self.hot.refusal(state)?;
        self.successes.tally(Tally::Rejected);
        Some(refusal)
    }

    /// `None` when the call passes and nobody wants to hear of it.
    #[cold]
    fn ask_under_lock(&self) -> Result<Option<Admitted>, Refusal> {
        let now = clock::now();
        let (ticket, state) = self.locked(|machine| {
            let ticket = machine.admit(now, time_left(now), &self.successes);
            (ticket, machine.state())
        });
        match ticket {
            Ok(_) if state == CircuitState::Disabled => Ok(None),
            Ok(Ticket { generation, probe }) => {
                Ok(Some(Admitted { packed: PackedState::new(state, generation), probe, started: self.started() }))
            }
            Err(refusal) => {
                self.successes.tally(Tally::Rejected);
                Err(refusal)
            }
        }
    }

    /// What an outcome is under the list `on`, if there is one.
    #[inline]
    pub(crate) fn judge(&self, judged: Judgement) -> Judgement {
        if self.hot.names_failures() { self.judge_by_name(judged) } else { judged }
    }

    #[cold]
    fn judge_by_name(&self, judged: Judgement) -> Judgement {
        match (judged.verdict(), judged.cause()) {
            // No list can name it, so a plain success takes no lock.
            (Verdict::Success | Verdict::AtEnd, None | Some(Cause::Http(..=299) | Cause::Grpc(0))) => judged,
            _ => judged.failing_on(self.lock().config().failures_on()),
        }
    }

    /// A call succeeded.
    #[inline]
    pub(crate) fn success(&self, call: Admitted) {
        if !self.hot.is_still(call.packed) {
            self.successes.tally(Tally::Stale);
            return;
        }
        let mut now = Instant::ZERO;
        let mut slow = false;
        if call.started != Instant::ZERO {
            now = clock::end::read();
            slow = self.is_slow(call, now);
        }
        if slow || call.probe != 0 {
            let now = if now == Instant::ZERO { clock::end::read() } else { now };
            return self.evidence(call, Evidence { failed: false, slow, push_back: None }, now);
        }
        if self.hot.has_streak() && !self.end_streak(call) {
            return;
        }
        let width = self.hot.bucket_width();
        let generation = call.packed.generation();
        self.successes.add(if width == 0 {
            CountedIn::whole(generation)
        } else {
            let now = if now == Instant::ZERO { clock::end::read() } else { now };
            CountedIn::bucket(generation, now.as_nanos().checked_div(width).unwrap_or(0))
        });
    }

    fn is_slow(&self, call: Admitted, now: Instant) -> bool {
        nanos(now.saturating_since(call.started)) >= self.hot.slow_over()
    }

    #[cold]
    fn end_streak(&self, call: Admitted) -> bool {
        let counts = self.locked(|machine| machine.end_streak(call.ticket()));
        if !counts {
            self.successes.tally(Tally::Stale);
        }
        counts
    }

    /// A call failed. `push_back` is the server's own word on when to come back.
    #[cold]
    pub(crate) fn failure(&self, call: Admitted, push_back: Option<Duration>) {
        let now = clock::end::read();
        let slow = call.started != Instant::ZERO && self.is_slow(call, now);
        self.evidence(call, Evidence { failed: true, slow, push_back }, now);
    }

    /// A call ended, and says nothing of the service; `gave_up` when its caller had no more time for it.
    pub(crate) fn ignored(&self, call: Admitted, gave_up: bool) {
        self.nothing(call, Tally::Ignored, gave_up);
    }

    /// A call was dropped before it had an outcome; `gave_up` when it waited for its answer.
    #[cold]
    pub(crate) fn cancelled(&self, call: Admitted, gave_up: bool) {
        let counts_as = self.hot.cancelled();
        if counts_as == Cancelled::Failure as u64 {
            self.failure(call, None);
        } else if counts_as == Cancelled::Slow as u64 {
            self.evidence(call, Evidence { failed: false, slow: true, push_back: None }, clock::end::read());
        } else {
            return self.nothing(call, Tally::Cancelled, gave_up);
        }
        self.successes.tally(Tally::Cancelled);
    }

    /// A call was dropped since another attempt has the answer: whatever cancelled calls count as, this says nothing.
    #[cold]
    pub(crate) fn superseded(&self, call: Admitted) {
        self.nothing(call, Tally::Cancelled, false);
    }

    fn nothing(&self, call: Admitted, tally: Tally, gave_up: bool) {
        let counts = if call.probe == 0 {
            self.hot.is_still(call.packed)
        } else {
            let gave_up = gave_up.then(clock::end::read);
            self.locked(|machine| machine.nothing(call.ticket(), gave_up))
        };
        self.successes.tally(if counts { tally } else { Tally::Stale });
    }

    #[cold]
    fn evidence(&self, call: Admitted, evidence: Evidence, now: Instant) {
        let counts =
            self.locked(|machine| machine.evidence(call.ticket(), evidence, now, fastrand::f64(), &self.successes));
        if !counts {
            self.successes.tally(Tally::Stale);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        // No code of anybody else runs under this lock.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the machine, makes the change visible, and tells listeners when the lock is free again.
    fn locked<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.lock();
        let result = change(&mut machine);
        self.hot.publish(&machine);
        let news = machine.news.take();
        let journal = news.and_then(|event| {
            let journal = self.journal.get()?;
            journal.push(event.sequence, *event);
            Some(journal)
        });
        drop(machine);
        if let Some(journal) = journal {
            journal.wake();
        }
        result
    }

    pub(crate) fn state(&self) -> CircuitState {
        self.hot.packed().state()
    }

    pub(crate) fn stats(&self) -> CircuitBreakerStats {
        let now = clock::now();
        self.lock().stats(now, &self.successes)
    }

    pub(crate) fn config(&self) -> CircuitBreakerConfig {
        (**self.lock().config()).clone()
    }

    pub(crate) fn set(&self, state: CircuitState) {
        let now = clock::now();
        self.locked(|machine| machine.set(state, Reason::Operator, now, fastrand::f64(), &self.successes));
    }

    /// Closes a circuit that is disabled.
    pub(crate) fn enable(&self) {
        let now = clock::now();
        self.locked(|machine| {
            if machine.state() == CircuitState::Disabled {
                machine.set(CircuitState::Closed, Reason::Operator, now, 0.0, &self.successes);
            }
        });
    }

    pub(crate) fn reset(&self, why: Reason) {
        let now = clock::now();
        self.locked(|machine| {
            let state = if machine.config().enabled() { CircuitState::Closed } else { CircuitState::Disabled };
            machine.set(state, why, now, 0.0, &self.successes);
        });
    }

    pub(crate) fn try_early(&self) -> bool {
        let now = clock::now();
        self.locked(|machine| machine.try_early(now, &self.successes))
    }

    pub(crate) fn reconfigure(&self, config: Arc<CircuitBreakerConfig>) {
        let now = clock::now();
        self.locked(|machine| machine.reconfigure(config, now, &self.successes));
    }

    pub(crate) fn events(&self) -> Events {
        // Under the lock: no event falls between the number and the first that is pushed.
        let machine = self.lock();
        let journal = self.journal.get_or_init(|| Arc::new(Journal::new()));
        Events::new(Arc::clone(journal), machine.last_event())
    }

    /// Bytes that this breaker takes, the settings and the listeners' events apart.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.successes.size() + self.lock().heap()
    }
}

impl Admitted {
    fn ticket(self) -> Ticket {
        Ticket { generation: self.packed.generation(), probe: self.probe }
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.get() {
            journal.close();
        }
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = self.hot.packed();
        f.debug_struct("Breaker")
            .field("state", &packed.state())
            .field("generation", &packed.generation())
            .finish_non_exhaustive()
    }
}
