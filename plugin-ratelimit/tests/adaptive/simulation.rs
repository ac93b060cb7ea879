//! Callers, a limit and a service on a clock that is moved from event to event.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use plugin_core::clock::fake::Machine;
use plugin_ratelimit::concurrency::{ConcurrencyLimit, Permit, PermitOutcome};

use crate::service::{Random, Service};

/// How long a caller waits for its answer.
const PATIENCE: f64 = 1.0;

/// What changes in a run, as functions of the second.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Calls in a second.
    pub(crate) load: fn(f64) -> f64,
    pub(crate) servers: fn(f64) -> usize,
    /// Seconds that a call takes without load.
    pub(crate) base: fn(f64) -> f64,
}

/// What was seen from a second on.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) offered: u64,
    pub(crate) refused: u64,
    /// Seconds of the calls that were answered in time.
    pub(crate) answered: Vec<f64>,
    pub(crate) late: u64,
    /// Calls that the service could have answered, of those that were offered.
    pub(crate) possible: f64,
    pub(crate) limit: u32,
}

impl Seen {
    /// The share of what was possible that was answered in time.
    pub(crate) fn goodput(&self) -> f64 {
        self.answered.len() as f64 / self.possible
    }

    pub(crate) fn refused_share(&self) -> f64 {
        self.refused as f64 / self.offered.max(1) as f64
    }

    /// Milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.answered.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
            .get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1)))
            .map_or(0.0, |s| s * 1e3)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    /// The service is done with a call.
    Done(usize),
    /// Its caller waits no longer.
    Late(usize),
    /// The second is over: servers and times may change.
    Second,
}

struct World<'a> {
    run: &'a Run,
    limit: Option<&'a ConcurrencyLimit>,
    machine: Machine,
    /// Nanoseconds since the beginning.
    now: u64,
    /// When, and in which order of what comes at once.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    made: u64,
    service: Service,
    arrivals: Random,
    /// When a call that somebody waits for was sent, and its permit.
    waiting: BTreeMap<usize, (u64, Option<Permit>)>,
    seen: BTreeMap<u64, Seen>,
}

/// What was seen in each second. Without a limit every call is sent.
pub(crate) fn simulate(run: &Run, limit: impl FnOnce() -> Option<ConcurrencyLimit>) -> Vec<Seen> {
    let machine = Machine::install();
    let limit = limit();
    let mut world = World {
        run,
        limit: limit.as_ref(),
        machine,
        now: 0,
        events: BinaryHeap::new(),
        made: 0,
        service: Service::new((run.servers)(0.0), (run.base)(0.0)),
        arrivals: Random::new(3),
        waiting: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    world.after(0.0, Event::Arrival);
    world.after(0.0, Event::Second);
    world.go();
    world.seen.into_values().collect()
}

impl World<'_> {
    fn second(&self) -> f64 {
        self.now as f64 / 1e9
    }

    fn after(&mut self, seconds: f64, event: Event) {
        self.made += 1;
        self.events.push(Reverse((self.now + (seconds * 1e9) as u64, self.made, event)));
    }

    fn seen(&mut self) -> &mut Seen {
        self.seen.entry(self.now / 1_000_000_000).or_default()
    }

    fn go(&mut self) {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at as f64 / 1e9 >= self.run.seconds {
                return;
            }
            self.machine.pass(Duration::from_nanos(at - self.now));
            self.now = at;
            match event {
                Event::Second => self.change(),
                Event::Arrival => self.arrive(),
                Event::Done(call) => self.done(call),
                Event::Late(call) => self.give_up(call),
            }
        }
    }

    fn change(&mut self) {
        let second = self.second();
        self.service.servers = (self.run.servers)(second);
        self.service.mean = (self.run.base)(second);
        while let Some((call, took)) = self.service.begin() {
            self.after(took, Event::Done(call));
        }
        let possible = self.service.capacity().min((self.run.load)(second));
        let limit = self.limit.and_then(|limit| limit.stats().limit).unwrap_or(0);
        let seen = self.seen();
        seen.possible = possible;
        seen.limit = limit;
        self.after(1.0, Event::Second);
    }

    fn arrive(&mut self) {
        let second = self.second();
        let between = self.arrivals.exponential(1.0 / (self.run.load)(second));
        self.after(between, Event::Arrival);
        self.seen().offered += 1;
        let permit = match self.limit.map(ConcurrencyLimit::try_acquire) {
            Some(Err(_)) => {
                self.seen().refused += 1;
                return;
            }
            Some(Ok(permit)) => Some(permit),
            None => None,
        };
        self.made += 1;
        let call = self.made as usize;
        self.waiting.insert(call, (self.now, permit));
        self.after(PATIENCE, Event::Late(call));
        if let Some((call, took)) = self.service.send(call) {
            self.after(took, Event::Done(call));
        }
    }

    fn done(&mut self, call: usize) {
        if let Some((next, took)) = self.service.done() {
            self.after(took, Event::Done(next));
        }
        if let Some((sent, permit)) = self.waiting.remove(&call) {
            let took = (self.now - sent) as f64 / 1e9;
            self.seen().answered.push(took);
            if let Some(mut permit) = permit {
                permit.report(PermitOutcome::Answered);
            }
        }
    }

    fn give_up(&mut self, call: usize) {
        if let Some((_, permit)) = self.waiting.remove(&call) {
            self.seen().late += 1;
            if let Some(mut permit) = permit {
                permit.report(PermitOutcome::Overloaded);
            }
        }
    }
}

/// All that was seen in these seconds.
pub(crate) fn sum<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> Seen {
    seen.into_iter().fold(Seen::default(), |mut all, second| {
        all.offered += second.offered;
        all.refused += second.refused;
        all.answered.extend(&second.answered);
        all.late += second.late;
        all.possible += second.possible;
        all.limit = second.limit;
        all
    })
}
