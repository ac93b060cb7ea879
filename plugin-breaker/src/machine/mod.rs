//! The decisions of a breaker. Time, chance and the counts of successes are arguments: no clock, no lock.

mod report;
mod totals;

use std::{sync::Arc, time::Duration};

use plugin_core::clock::{Instant, nanos};

use self::totals::Totals;
use crate::{
    CircuitBreakerConfig, CircuitState, Event, Reason, probes::Probes, refusal::Refusal, short_deadlines::Hurry,
    stats::share, success_counters::SuccessCounters, window::AnyWindow,
};

/// What a call was admitted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    /// The number of the probe, or 0.
    pub(crate) probe: u64,
}

/// An outcome that may change the state. A fast success of a closed circuit is none, and never comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
    /// The server's own word on when to come back.
    pub(crate) push_back: Option<Duration>,
}

/// The breaker, as one thread sees it under the lock.
pub(crate) struct Machine {
    config: Arc<CircuitBreakerConfig>,
    state: CircuitState,
    /// A command has begun this period, which lasts from one transition to the next.
    is_commanded: bool,
    generation: u64,
    since: Instant,
    /// Failures since the last success.
    streak: u32,
    /// Calls of this period that were not fast successes.
    others: u64,
    /// The most fast successes of this period that a sum has shown.
    fast_seen: u64,
    /// `SuccessCounters::ever` when this period began.
    ever_at_start: u64,
    window: AnyWindow,
    probes: Probes,
    hurry: Hurry,
    open_until: Instant,
    /// How often the circuit has opened without a long healthy time in between.
    level: u32,
    last_open_time: Duration,
    /// What the last open time would have been by the breaker's own rule, whatever the service asked for.
    own_open_time: Duration,
    totals: Totals,
    last_event: u64,
    /// The event of the present operation, for the shell to pass on. Rare, and boxed to keep breakers small.
    pub(crate) news: Option<Box<Event>>,
}

impl Machine {
    pub(crate) fn new(config: Arc<CircuitBreakerConfig>, now: Instant) -> Self {
        let state = if config.enabled() { CircuitState::Closed } else { CircuitState::Disabled };
        Self {
            window: AnyWindow::for_config(&config),
            config,
            state,
            is_commanded: false,
            generation: 1,
            since: now,
            streak: 0,
            others: 0,
            fast_seen: 0,
            ever_at_start: 0,
            probes: Probes::default(),
            hurry: Hurry::default(),
            open_until: Instant::ZERO,
            level: 0,
            last_open_time: Duration::ZERO,
            own_open_time: Duration::ZERO,
            totals: Totals::default(),
            last_event: 0,
            news: None,
        }
    }

    pub(crate) fn config(&self) -> &Arc<CircuitBreakerConfig> {
        &self.config
    }

    pub(crate) fn state(&self) -> CircuitState {
        self.state
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn streak(&self) -> u32 {
        self.streak
    }

    /// The number of the last event.
    pub(crate) fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Probes that have outlived the half-open time and have no outcome yet.
    pub(crate) fn overdue(&self) -> u64 {
        self.probes.overdue()
    }

    /// Nanoseconds of a bucket, or 0 without a time window.
    pub(crate) fn bucket_width(&self) -> u64 {
        self.window.bucket_width()
    }

    /// The moment before which no call needs to ask, as the present state stands.
    pub(crate) fn not_before(&self) -> Instant {
        match self.state {
            CircuitState::Open => self.open_until,
            CircuitState::Isolated => Instant::MAX,
            CircuitState::HalfOpen if self.probes.running() >= self.config.half_open_max() => {
                self.probes.first_expiry(self.config.half_open_timeout()).unwrap_or(Instant::ZERO)
            }
            _ => Instant::ZERO,
        }
    }

    /// How long the circuit was open before this period, or would have been.
    fn open_time(&self) -> Duration {
        if self.last_open_time.is_zero() { self.config.recovery_timeout() } else { self.last_open_time }
    }

    /// When the oldest probe began that holds a place.
    pub(crate) fn oldest_probe(&self) -> Option<Instant> {
        self.probes.oldest()
    }

    /// The most nanoseconds that a call may have left and gets no place among the probes, and until when.
    pub(crate) fn hurried(&self) -> Option<(u64, Instant)> {
        self.hurry.known(self.open_time())
    }

    /// A call asks to pass that has this much time left; `None`: nothing is known of its time, so it has enough.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        left: Option<Duration>,
        successes: &SuccessCounters,
    ) -> Result<Ticket, Refusal> {
        match self.state {
            // ## Open => (Open | HalfOpen)
            CircuitState::Open if now < self.open_until => {
                return Err(Refusal::Open(nanos(self.open_until.saturating_since(now))));
            }
            // The first call after the open time is the first probe.
            CircuitState::Open => self.enter(CircuitState::HalfOpen, Reason::OpenTimeOver, now, successes),
            // ## HalfOpen => HalfOpen
            CircuitState::HalfOpen => {
                // A probe that has reached this age may be slow, or held and not polled, or forgotten. Nobody waits for it
                // any longer, and what it brings back still counts.
                self.probes.expire(now, self.config.half_open_timeout());
                if self.probes.running() >= self.config.half_open_max() {
                    let left = nanos(self.not_before().saturating_since(now));
                    return Err(match self.probes.oldest() {
                        Some(oldest) if self.probes.overdue() == 0 => Refusal::full(oldest, now, left),
                        _ => Refusal::ProbeTimeout(left),
                    });
                }
                if let Some(until) = self.hurry.refuses(left, now, self.open_time()) {
                    return Err(Refusal::Hurried(nanos(until.saturating_since(now))));
                }
            }
            // ## Isolated => Isolated
            CircuitState::Isolated => return Err(Refusal::Isolated),
            // ## (Closed | Disabled | MetricsOnly) stay: the call passes
            _ => return Ok(Ticket { generation: self.generation, probe: 0 }),
        }
        let probe = self.probes.start(now);
        Ok(Ticket { generation: self.generation, probe })
    }

    /// A call ended with something that may change the state. `false` when it belongs to an earlier period.
    pub(crate) fn evidence(
        &mut self,
        of: Ticket,
        evidence: Evidence,
        now: Instant,
        random: f64,
        successes: &SuccessCounters,
    ) -> bool {
        if of.generation != self.generation {
            return false;
        }
        let Evidence { failed, slow, push_back } = evidence;
        match self.state {
            // ## Closed => (Closed | Open), MetricsOnly stays and says what it would do
            CircuitState::Closed | CircuitState::MetricsOnly => {
                self.count(evidence, now);
                self.others += 1;
                self.streak = if failed { self.streak.saturating_add(1) } else { 0 };
                self.window.record(failed, slow, now, self.generation, successes);
                if let Some(reason) = self.verdict(failed, now, successes) {
                    self.open(reason, now, push_back, random, successes);
                }
            }
            // ## HalfOpen => (HalfOpen | Closed | Open)
            CircuitState::HalfOpen => {
                self.probes.end(of.probe);
                self.count(evidence, now);
                if failed {
                    self.open(Reason::ProbeFailed, now, push_back, random, successes);
                } else if slow {
                    self.open(Reason::ProbeSlow, now, push_back, random, successes);
                } else {
                    self.totals.probe_successes += 1;
                    self.hurry.news(now);
                    if self.probes.succeed() >= self.config.success_threshold() {
                        self.enter(CircuitState::Closed, Reason::ProbesSucceeded, now, successes);
                    }
                }
            }
            // No call is admitted in these that could report.
            CircuitState::Open | CircuitState::Isolated | CircuitState::Disabled => return false,
        }
        true
    }

    /// A fast success ends a row of failures. `false` when it belongs to an earlier period.
    pub(crate) fn end_streak(&mut self, of: Ticket) -> bool {
        if of.generation == self.generation {
            self.streak = 0;
        }
        of.generation == self.generation
    }

    /// A call ended without saying anything of the service; given up before its answer came, when a moment is given. `false`
    /// when it belongs to an earlier period.
    pub(crate) fn nothing(&mut self, of: Ticket, gave_up: Option<Instant>) -> bool {
        if of.generation == self.generation && of.probe != 0 {
            // One that had given up its place before was held, or waited longer than any that holds one: it teaches nothing
            // of how much time a probe needs, and must not keep others out.
            if let Some((started, now)) = self.probes.end(of.probe).zip(gave_up) {
                self.hurry.gave_up(now.saturating_since(started), now);
            }
        }
        of.generation == self.generation
    }

    /// Whether the circuit opens. Each rule is enough.
    fn verdict(&mut self, failed: bool, now: Instant, successes: &SuccessCounters) -> Option<Reason> {
        let in_a_row = self.config.failure_threshold().is_some_and(|threshold| self.streak >= threshold);
        if failed && in_a_row && self.requests(successes) >= self.config.min_request_threshold() {
            return Some(Reason::Failures(self.streak));
        }
        let sums = self.window.sums(now, self.generation, successes)?;
        if sums.calls < u64::from(self.config.min_calls()) {
            return None;
        }
        let reached = |ratio: crate::Ratio, part| ratio.is_reached(part, sums.calls);
        if failed && self.config.failure_rate().is_some_and(|ratio| reached(ratio, sums.failures)) {
            return Some(Reason::FailureRate(share(sums.failures, sums.calls)));
        }
        let slow = self.config.slow().is_some_and(|slow| reached(slow.ratio, sums.slow));
        slow.then(|| Reason::SlowRate(share(sums.slow, sums.calls)))
    }

    /// Calls of this period.
    fn requests(&mut self, successes: &SuccessCounters) -> u64 {
        let fast = if self.bucket_width() == 0 {
            successes.of_generation(self.generation)
        } else {
            // A cell that moves to its next bucket may be missing for a moment; what was seen before is still true.
            successes.ever().saturating_sub(self.ever_at_start)
        };
        self.fast_seen = self.fast_seen.max(fast);
        self.fast_seen + self.others
    }

    /// Opens the circuit, or only says so.
    pub(crate) fn open(
        &mut self,
        reason: Reason,
        now: Instant,
        push_back: Option<Duration>,
        random: f64,
        successes: &SuccessCounters,
    ) {
        if self.state == CircuitState::MetricsOnly {
            self.totals.would_have_opened += 1;
            self.enter(CircuitState::MetricsOnly, reason, now, successes);
            return;
        }
        if self.state == CircuitState::Closed {
            self.decay(now);
        }
        let own = self.config.open_time().wait(self.level, self.own_open_time, random);
        let asked = push_back.map(|asked| asked.min(self.config.max_push_back())).filter(|asked| !asked.is_zero());
        self.level = self.level.saturating_add(1);
        self.own_open_time = own;
        self.last_open_time = asked.unwrap_or(own);
        self.open_until = now.saturating_add(self.last_open_time);
        self.totals.opened += 1;
        self.enter(CircuitState::Open, reason, now, successes);
    }

    /// One step back for every time that the circuit stayed closed as long as it would have been open before by its own
    /// rule: a short time that the service asked for does not make it forget.
    fn decay(&mut self, now: Instant) {
        let healthy = now.saturating_since(self.since).as_nanos();
        let steps = healthy / self.own_open_time.as_nanos().max(1);
        self.level = self.level.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// Begins a new period. Whatever was admitted before belongs to an earlier one.
    pub(crate) fn enter(&mut self, state: CircuitState, reason: Reason, now: Instant, successes: &SuccessCounters) {
        let open_for = (state == CircuitState::Open).then_some(self.last_open_time);
        // A command that changes nothing anybody sees is no event. One that opens an open circuit sets its time anew, and
        // one that only reports says why it would have opened.
        let is_command = matches!(reason, Reason::Operator | Reason::Restarted);
        let is_news = !is_command || self.state != state || state == CircuitState::Open;
        self.last_event += u64::from(is_news);
        let event = Event { sequence: self.last_event, at: now, from: self.state, to: state, reason, open_for };
        if is_news {
            self.news = Some(Box::new(event));
        }
        self.state = state;
        self.is_commanded = is_command;
        self.since = now;
        self.streak = 0;
        self.others = 0;
        self.probes.clear();
        self.hurry.clear();
        self.window.clear();
        self.new_generation(successes);
    }

    fn new_generation(&mut self, successes: &SuccessCounters) {
        self.generation += 1;
        successes.drain();
        self.fast_seen = 0;
        self.ever_at_start = successes.ever();
    }

    /// A command sets a state. Closing begins anew: the open time does not remember earlier trips.
    pub(crate) fn set(
        &mut self,
        state: CircuitState,
        why: Reason,
        now: Instant,
        random: f64,
        successes: &SuccessCounters,
    ) {
        match state {
            CircuitState::Open => {
                if self.state == CircuitState::MetricsOnly {
                    // There it would only be reported.
                    self.state = CircuitState::Disabled;
                }
                self.open(why, now, None, random, successes);
            }
            _ => {
                self.level = 0;
                self.enter(state, why, now, successes);
            }
        }
    }

    /// What opened the circuit may be over. `false` where no rule has opened it.
    pub(crate) fn try_early(&mut self, now: Instant, successes: &SuccessCounters) -> bool {
        let is_open = self.state == CircuitState::Open && !self.is_commanded;
        if is_open {
            self.enter(CircuitState::HalfOpen, Reason::Reachable, now, successes);
        }
        is_open
    }

    /// Takes over other settings. What the window holds is kept, in a window of the new shape; the state stays, unless
    /// `enabled` has changed.
    pub(crate) fn reconfigure(&mut self, config: Arc<CircuitBreakerConfig>, now: Instant, successes: &SuccessCounters) {
        let same = self.config.keeps_window() == config.keeps_window()
            && (!config.keeps_window() || self.config.window() == config.window());
        let switched = self.config.enabled() != config.enabled();
        if !same {
            let parts = self.window.parts(now, self.generation, successes);
            let requests = self.requests(successes);
            // The cells are emptied as what they were. The window that follows has all that they held.
            self.new_generation_keeping(requests, successes);
            self.window = AnyWindow::for_config(&config);
            self.window.refill(parts);
        }
        self.config = config;
        if switched {
            let state = if self.config.enabled() { CircuitState::Closed } else { CircuitState::Disabled };
            self.enter(state, Reason::Operator, now, successes);
        }
    }

    fn new_generation_keeping(&mut self, requests: u64, successes: &SuccessCounters) {
        if !matches!(self.state, CircuitState::Closed | CircuitState::MetricsOnly) {
            // There is nothing in the cells, and probes keep their places.
            successes.drain();
            return;
        }
        self.new_generation(successes);
        self.others = requests;
    }
}

#[cfg(test)]
mod tests;
