//! The breaker against a naive model of it, in virtual time.
//!
//! The model keeps every call of the present stay in a list and looks through all of it, each time. It knows nothing of
//! cells, bits or generations in a word.

mod common;

use std::time::Duration;

use common::*;
use plugin_breaker::{Breaker, Cancelled, CircuitBreakerConfig, CircuitState, OwnedPermit, Window};
use plugin_core::{
    Code, Rejected,
    clock::{self, Instant},
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire,
    Succeed(usize),
    Fail(usize),
    PushBack(usize, u16),
    Ignore(usize),
    Drop(usize),
    Wait(u16),
    Open,
    Close,
    Isolate,
    Disable,
    MetricsOnly,
    Reset,
}

struct Call {
    at: Instant,
    failed: bool,
    slow: bool,
}

#[derive(Clone, Copy)]
struct Ticket {
    stay: u64,
    probe: Option<u64>,
    started: Instant,
}

struct Model {
    config: CircuitBreakerConfig,
    state: CircuitState,
    stay: u64,
    since: Instant,
    calls: Vec<Call>,
    row: u32,
    probes: Vec<(u64, Instant)>,
    last_probe: u64,
    good_probes: u32,
    open_until: Instant,
    level: u32,
    last_open: Duration,
    last_own: Duration,
    opened: u64,
    would: u64,
}

impl Model {
    fn new(config: CircuitBreakerConfig, now: Instant) -> Self {
        Self {
            config,
            state: CircuitState::Closed,
            stay: 0,
            since: now,
            calls: Vec::new(),
            row: 0,
            probes: Vec::new(),
            last_probe: 0,
            good_probes: 0,
            open_until: now,
            level: 0,
            last_open: Duration::ZERO,
            last_own: Duration::ZERO,
            opened: 0,
            would: 0,
        }
    }

    fn enter(&mut self, state: CircuitState, now: Instant) {
        self.state = state;
        self.stay += 1;
        self.since = now;
        self.calls.clear();
        self.row = 0;
        self.probes.clear();
        self.good_probes = 0;
    }

    fn open(&mut self, now: Instant, push_back: Option<Duration>) {
        if self.state == CircuitState::Closed && !self.last_own.is_zero() {
            let healthy = now.saturating_since(self.since);
            let steps = healthy.as_nanos() / self.last_own.as_nanos();
            self.level -= self.level.min(u32::try_from(steps).unwrap_or(u32::MAX));
        }
        let own = self.config.open_time().wait(self.level, self.last_own, 0.5);
        let asked = push_back.map(|asked| asked.min(self.config.max_push_back())).filter(|asked| !asked.is_zero());
        self.level += 1;
        self.last_own = own;
        self.last_open = asked.unwrap_or(own);
        self.open_until = now.saturating_add(self.last_open);
        self.opened += 1;
        self.enter(CircuitState::Open, now);
    }

    fn acquire(&mut self, now: Instant) -> Result<Option<Ticket>, Rejected> {
        match self.state {
            CircuitState::Disabled => return Ok(None),
            CircuitState::Isolated => return Err(Rejected::circuit_open(None)),
            CircuitState::Open if now < self.open_until => {
                return Err(Rejected::circuit_open(Some(self.open_until.saturating_since(now))));
            }
            CircuitState::Open => self.enter(CircuitState::HalfOpen, now),
            CircuitState::HalfOpen => {
                let young = self.young(now);
                if young.len() >= self.config.half_open_max() as usize {
                    let next =
                        young.iter().map(|started| started.saturating_add(self.config.half_open_timeout())).min();
                    return Err(match next {
                        Some(next) if young.len() < self.probes.len() => {
                            Rejected::new(Code::CircuitProbeTimeout).with_retry_after(next.saturating_since(now))
                        }
                        Some(next) => {
                            // As long again as the oldest has run.
                            let ran = self.config.half_open_timeout() - next.saturating_since(now);
                            let after = ran.max(Duration::from_millis(100)).min(next.saturating_since(now));
                            Rejected::probes_running(after)
                        }
                        None => unreachable!("there is a place at least"),
                    });
                }
            }
            _ => return Ok(Some(Ticket { stay: self.stay, probe: None, started: now })),
        }
        self.last_probe += 1;
        self.probes.push((self.last_probe, now));
        Ok(Some(Ticket { stay: self.stay, probe: Some(self.last_probe), started: now }))
    }

    /// When the probes began that run and have not outlived the half-open time.
    fn young(&self, now: Instant) -> Vec<Instant> {
        let age = self.config.half_open_timeout();
        let is_young = |started: &Instant| now < started.saturating_add(age);
        self.probes.iter().map(|(_, started)| *started).filter(is_young).collect()
    }

    /// `outcome` is whether it failed and whether it was slow whatever its time; `None` says nothing of the service.
    fn end(&mut self, ticket: Ticket, outcome: Option<(bool, bool)>, push_back: Option<Duration>, now: Instant) {
        if ticket.stay != self.stay {
            return;
        }
        if let Some(probe) = ticket.probe {
            self.probes.retain(|(id, _)| *id != probe);
        }
        let Some((failed, slow)) = outcome else { return };
        let timed = self.config.slow().is_some_and(|slow| now.saturating_since(ticket.started) >= slow.over);
        let slow = slow || timed;
        if ticket.probe.is_some() {
            if failed || slow {
                self.open(now, push_back);
            } else {
                self.good_probes += 1;
                if self.good_probes >= self.config.success_threshold() {
                    self.enter(CircuitState::Closed, now);
                }
            }
            return;
        }
        self.calls.push(Call { at: now, failed, slow });
        self.row = if failed { self.row + 1 } else { 0 };
        if (failed || slow) && self.is_due(failed, now) {
            if self.state == CircuitState::MetricsOnly {
                self.would += 1;
                self.enter(CircuitState::MetricsOnly, now);
            } else {
                self.open(now, push_back);
            }
        }
    }

    fn window(&self, now: Instant) -> (u64, u64, u64) {
        let recent: Vec<_> = match self.config.window() {
            Window::Calls(size) => self.calls.iter().rev().take(size as usize).collect(),
            Window::Time(time) => {
                let bucket = |at: Instant| u128::from(at.as_nanos()) / (time.as_nanos() / 10);
                self.calls.iter().filter(|call| bucket(call.at) + 10 > bucket(now)).collect()
            }
            _ => unreachable!("no other kind is made here"),
        };
        let count = |which: fn(&Call) -> bool| recent.iter().filter(|call| which(call)).count() as u64;
        (recent.len() as u64, count(|call| call.failed), count(|call| call.slow))
    }

    fn is_due(&self, failed: bool, now: Instant) -> bool {
        let config = &self.config;
        let row = config.failure_threshold().is_some_and(|threshold| self.row >= threshold);
        if failed && row && self.calls.len() as u64 >= config.min_request_threshold() {
            return true;
        }
        let (calls, failures, slow) = self.window(now);
        let reached = |ratio: plugin_breaker::Ratio, part: u64| part >= u64::from(ratio.of(calls as u32));
        calls >= u64::from(config.min_calls())
            && (failed && config.failure_rate().is_some_and(|ratio| reached(ratio, failures))
                || config.slow().is_some_and(|rule| reached(rule.ratio, slow)))
    }

    fn set(&mut self, state: CircuitState, now: Instant) {
        if state == CircuitState::Open {
            self.open(now, None);
        } else {
            self.level = 0;
            self.enter(state, now);
        }
    }
}

struct Pair {
    breaker: Breaker,
    model: Model,
    running: Vec<(OwnedPermit, Option<Ticket>)>,
}

impl Pair {
    fn new(config: CircuitBreakerConfig) -> Self {
        let (breaker, model) = (Breaker::new(config.clone()), Model::new(config, clock::now()));
        Self { breaker, model, running: Vec::new() }
    }

    async fn step(&mut self, step: Step) {
        let now = clock::now();
        match step {
            Step::Wait(millis) => return advance(Duration::from_millis(millis.into())).await,
            Step::Acquire => match (self.breaker.try_acquire_owned(), self.model.acquire(now)) {
                (Ok(permit), Ok(ticket)) => {
                    assert_eq!(permit.is_probe(), ticket.is_some_and(|ticket| ticket.probe.is_some()));
                    self.running.push((permit, ticket));
                }
                (Err(ours), Err(expected)) => assert_eq!(ours, expected),
                (ours, expected) => panic!("{ours:?}, and the model says {:?}", expected.map(|_| "pass")),
            },
            Step::Succeed(which) => self.end(which, now, Some((false, false)), None, OwnedPermit::success),
            Step::Fail(which) => self.end(which, now, Some((true, false)), None, OwnedPermit::failure),
            Step::PushBack(which, millis) => {
                let after = Duration::from_millis(millis.into());
                let tell = move |permit: OwnedPermit| permit.failure_with_push_back(after);
                self.end(which, now, Some((true, false)), Some(after), tell);
            }
            Step::Ignore(which) => self.end(which, now, None, None, OwnedPermit::ignore),
            Step::Drop(which) => {
                let outcome = match self.model.config.cancelled() {
                    Cancelled::Failure => Some((true, false)),
                    Cancelled::Slow => Some((false, true)),
                    _ => None,
                };
                self.end(which, now, outcome, None, drop);
            }
            Step::Open => self.command(CircuitState::Open, now),
            Step::Close | Step::Reset => self.command(CircuitState::Closed, now),
            Step::Isolate => self.command(CircuitState::Isolated, now),
            Step::Disable => self.command(CircuitState::Disabled, now),
            Step::MetricsOnly => self.command(CircuitState::MetricsOnly, now),
        }
        self.compare(now);
    }

    fn end(
        &mut self,
        which: usize,
        now: Instant,
        outcome: Option<(bool, bool)>,
        push_back: Option<Duration>,
        tell: impl FnOnce(OwnedPermit),
    ) {
        if self.running.is_empty() {
            return;
        }
        let (permit, ticket) = self.running.swap_remove(which % self.running.len());
        tell(permit);
        if let Some(ticket) = ticket {
            self.model.end(ticket, outcome, push_back, now);
        }
    }

    fn command(&mut self, state: CircuitState, now: Instant) {
        let handle = self.breaker.handle();
        match state {
            CircuitState::Open => handle.force_open(),
            CircuitState::Isolated => handle.isolate(),
            CircuitState::Disabled => handle.disable(),
            CircuitState::MetricsOnly => handle.metrics_only(),
            _ => handle.force_closed(),
        }
        self.model.set(state, now);
    }

    fn compare(&self, now: Instant) {
        let (stats, model) = (self.breaker.stats(), &self.model);
        assert_eq!(stats.state, model.state);
        assert_eq!(self.breaker.state(), model.state);
        assert_eq!(stats.since, model.since);
        assert_eq!(stats.failures_in_a_row, model.row);
        assert_eq!(stats.probes as usize, model.young(now).len());
        // What is promised of a half-open circuit, whatever its probes do.
        assert!(stats.probes <= model.config.half_open_max());
        assert_eq!((stats.opened, stats.would_have_opened), (model.opened, model.would));
        let next = (model.state == CircuitState::Open).then_some(model.open_until);
        assert_eq!(stats.next_attempt, next);
        if let Some(window) = stats.window {
            assert_eq!((window.calls, window.failures, window.slow), model.window(now));
        }
    }
}

fn steps(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>;
    let step = prop_oneof![
        40 => Just(Step::Acquire),
        20 => which().prop_map(Step::Succeed),
        20 => which().prop_map(Step::Fail),
        2 => (which(), 0u16..3000).prop_map(|(which, millis)| Step::PushBack(which, millis)),
        3 => which().prop_map(Step::Ignore),
        5 => which().prop_map(Step::Drop),
        15 => (0u16..700).prop_map(Step::Wait),
        1 => prop_oneof![
            Just(Step::Open),
            Just(Step::Close),
            Just(Step::Isolate),
            Just(Step::Disable),
            Just(Step::MetricsOnly),
            Just(Step::Reset),
        ],
    ];
    proptest::collection::vec(step, count)
}

fn settings() -> impl Strategy<Value = CircuitBreakerConfig> {
    let share = || proptest::option::of(0.05f64..=1.0);
    let window = prop_oneof![
        (1u32..40).prop_map(Window::Calls),
        (1u64..50).prop_map(|tenths| Window::Time(Duration::from_millis(tenths * 100))),
    ];
    let limits = (1u32..6, 0u64..8, 1u32..4, 1u32..4);
    let open = (1u64..2000, 1u64..2000, 1.0f64..4.0);
    (limits, share(), share(), window, open, 0usize..3).prop_map(|(limits, rate, slow, window, open, cancelled)| {
        let recovery = Duration::from_millis(open.0);
        let mut builder = config()
            .with_failure_threshold(limits.0)
            .with_min_request_threshold(limits.1)
            .with_success_threshold(limits.2)
            .with_half_open_max(limits.3)
            .with_recovery_timeout(recovery)
            .with_half_open_timeout(Duration::from_millis(open.1))
            .with_backoff(open.2, recovery * 10)
            .with_jitter(0.0)
            .with_window(window);
        if let Some(share) = rate {
            builder = builder.with_failure_rate(share);
        }
        if let Some(share) = slow {
            builder = builder.with_slow_calls(Duration::from_millis(500), share);
        }
        // Without a rule for slow calls a dropped one cannot be slow.
        let kinds = [Cancelled::Ignore, Cancelled::Failure, Cancelled::Slow];
        let kinds = if slow.is_some() { &kinds[..] } else { &kinds[..2] };
        builder.with_cancelled(kinds[cancelled % kinds.len()]).build().expect("in bounds")
    })
}

fn run(config: CircuitBreakerConfig, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut pair = Pair::new(config);
        for step in steps {
            pair.step(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_breaker_agrees_with_the_model_after_every_step(config in settings(), steps in steps(1..400)) {
        run(config, steps);
    }
}

#[test]
#[ignore = "soak: a million steps"]
fn soak_the_breaker_agrees_with_the_model_over_a_million_steps() {
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&(settings(), steps(1000)), |(config, steps)| {
            run(config, steps);
            Ok(())
        })
        .expect("agreement");
}
