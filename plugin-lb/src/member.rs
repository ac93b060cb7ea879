//! An instance inside a balancer, and the guard of a call on it.

use std::sync::{Arc, Weak};

use plugin_core::{
    Classify, End, HealthCell, HealthState, InstanceId, Lease, Observe, Slots, Striped,
    clock::{self, Instant},
};

use crate::{
    meter::{Meter, Settled},
    pick::View,
    shared::Shared,
};

/// What an instance is for as long as it is part of a balancer.
pub(crate) struct Member<S> {
    pub(crate) id: InstanceId,
    pub(crate) name: Arc<str>,
    pub(crate) priority: i32,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) health: Option<Arc<HealthCell>>,
    pub(crate) slots: Slots<S>,
    pub(crate) meter: Arc<Meter>,
    /// Leased by responses whose body is followed to its end.
    bodies: Striped<Meter>,
    /// Where another instance is picked from.
    pub(crate) home: Weak<Shared<S>>,
}

/// A member with what may change while it is one. Calls in flight are the leases of the member.
pub(crate) struct Entry<S> {
    pub(crate) member: Striped<Member<S>>,
    pub(crate) weight: u32,
    pub(crate) enabled: bool,
}

impl<S: Clone> Entry<S> {
    pub(crate) fn new(endpoint: crate::Endpoint<S>, home: Weak<Shared<S>>) -> Self {
        let crate::Endpoint { name, service, weight, priority, enabled, zone, health } = endpoint;
        let meter = Arc::new(Meter::new());
        let member = Member {
            id: InstanceId::next(),
            name,
            priority,
            zone,
            health,
            slots: Slots::new(service),
            bodies: Striped::from_arc(Arc::clone(&meter)),
            meter,
            home,
        };
        Self { member: Striped::new(member), weight, enabled }
    }
}

impl<S> Entry<S> {
    pub(crate) fn in_flight(&self) -> usize {
        self.member.leases() + self.member.bodies.leases()
    }
}

impl<S> Clone for Entry<S> {
    fn clone(&self) -> Self {
        Self { member: self.member.clone(), weight: self.weight, enabled: self.enabled }
    }
}

impl<S> Member<S> {
    #[inline]
    pub(crate) fn health(&self) -> HealthState {
        self.health.as_ref().map_or(HealthState::Unknown, |cell| cell.state())
    }
}

impl<S> View for Entry<S> {
    #[inline]
    fn id(&self) -> InstanceId {
        self.member.id
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn priority(&self) -> i32 {
        self.member.priority
    }

    #[inline]
    fn health(&self) -> HealthState {
        self.member.health()
    }

    fn in_flight(&self) -> usize {
        self.in_flight()
    }

    fn latency(&self, now: Instant) -> Option<f32> {
        self.member.meter.latency.read(now)
    }
}

/// When a call was picked for, and whether its time is taken.
#[derive(Clone, Copy, Debug)]
struct Timing {
    started: Instant,
    timed: bool,
}

/// A call in flight on an instance, from the pick. It keeps the instance alive, also one that is removed meanwhile.
pub(crate) struct InFlight<S> {
    member: Lease<Member<S>>,
    timing: Timing,
    /// A drop while this is set is a panic of the instance.
    polled: bool,
    settled: bool,
}

impl<S> InFlight<S> {
    /// `now` is the present moment where it is known, `started` one that will do when the time is not taken.
    #[inline]
    pub(crate) fn begin(entry: &Entry<S>, now: Option<Instant>, started: Option<Instant>) -> Self {
        let member = entry.member.lease();
        let timed = now.is_some() || member.meter.wants_time();
        let started = match (now, started) {
            (Some(now), _) => now,
            (None, Some(started)) if !timed => started,
            (None, _) => clock::now(),
        };
        Self { member, timing: Timing { started, timed }, polled: false, settled: false }
    }

    #[inline]
    pub(crate) fn member(&self) -> &Member<S> {
        &self.member
    }

    /// Runs a poll of the instance's service.
    #[inline]
    pub(crate) fn polling<T>(&mut self, poll: impl FnOnce(&Member<S>) -> T) -> T {
        self.polled = true;
        let result = poll(&self.member);
        self.polled = false;
        result
    }

    /// Books how the call went. Only the first time counts.
    #[inline]
    pub(crate) fn settle(&mut self, how: Settled) {
        if !std::mem::replace(&mut self.settled, true) {
            self.member.meter.settle(how, self.timing.started, self.timing.timed);
        }
    }

    /// Goes on as the guard of a response's body.
    pub(crate) fn into_body<C, Res, Err>(mut self, classify: C) -> InBody<C, Res, Err> {
        self.settled = true;
        let meter = self.member.bodies.lease();
        InBody { meter, timing: self.timing, settled: false, classify, judges: std::marker::PhantomData }
    }
}

impl<S> Drop for InFlight<S> {
    fn drop(&mut self) {
        self.settle(if self.polled { Settled::Failed } else { Settled::Abandoned });
    }
}

/// A response whose body is still being read counts as in flight on the instance.
pub(crate) struct InBody<C, Res, Err> {
    meter: Lease<Meter>,
    timing: Timing,
    settled: bool,
    classify: C,
    judges: std::marker::PhantomData<fn(Res, Err)>,
}

impl<C, Res, Err> InBody<C, Res, Err> {
    fn settle(&mut self, how: Settled) {
        if !std::mem::replace(&mut self.settled, true) {
            self.meter.settle(how, self.timing.started, self.timing.timed);
        }
    }
}

impl<C, Res, Err> Observe for InBody<C, Res, Err>
where
    C: Classify<Res, Err> + Send + 'static,
    Res: 'static,
    Err: 'static,
{
    fn end(mut self: Box<Self>, end: End<'_>) {
        let verdict = self.classify.classify_end(end);
        self.settle(verdict.into());
    }
}

impl<C, Res, Err> Drop for InBody<C, Res, Err> {
    fn drop(&mut self) {
        self.settle(Settled::Abandoned);
    }
}
