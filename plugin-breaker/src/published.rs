//! The part of a breaker's state that calls read without taking its lock.
//!
//! Only the lock's holder writes, with [`PublishedState::publish`]. But for [`PublishedState::word`] all reads are relaxed: a call that reads what
//! was valid a moment ago behaves as if it had come, or ended, a moment earlier.

use std::time::Duration;

use plugin_core::{
    clock::{self, Instant, nanos},
    deadline,
};

use crate::{
    CircuitState,
    machine::Machine,
    refusal::Refusal,
    state::PackedState,
    sync::{AtomicU64, Ordering},
};

pub(crate) struct PublishedState {
    /// The state and its generation.
    packed: AtomicU64,
    /// While calls are refused: the moment from which one may ask under the lock.
    not_before: AtomicU64,
    /// Failures in a row. A success has to write only when it is not 0.
    streak: AtomicU64,
    /// Nanoseconds of a bucket of the time window, or 0.
    bucket_width: AtomicU64,
    /// Nanoseconds from which a call is slow, or `u64::MAX`.
    slow_over: AtomicU64,
    /// Probes that have outlived the half-open time.
    overdue: AtomicU64,
    /// When the oldest probe began that holds a place.
    oldest: AtomicU64,
    /// Half-open: the most nanoseconds that a call may have left and gets no place, or 0; and until when.
    hurried: AtomicU64,
    hurried_until: AtomicU64,
    /// Whether `on` names what is a failure.
    names_failures: AtomicU64,
    /// What a call counts as that was dropped, as the number of the [`Cancelled`](crate::Cancelled).
    cancelled: AtomicU64,
}

impl PublishedState {
    pub(crate) fn new(machine: &Machine) -> Self {
        let hot = Self {
            packed: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
            streak: AtomicU64::new(0),
            bucket_width: AtomicU64::new(0),
            slow_over: AtomicU64::new(0),
            overdue: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            hurried: AtomicU64::new(0),
            hurried_until: AtomicU64::new(0),
            names_failures: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        };
        hot.publish(machine);
        hot
    }

    /// Makes what the machine has decided visible to calls that take no lock.
    pub(crate) fn publish(&self, machine: &Machine) {
        let set = |atomic: &AtomicU64, value: u64| {
            // Relaxed: only the lock's holder writes. Most operations change nothing, and a load leaves the line shared.
            if atomic.load(Ordering::Relaxed) != value {
                atomic.store(value, Ordering::Relaxed);
            }
        };
        set(&self.not_before, machine.not_before().as_nanos());
        set(&self.streak, machine.streak().into());
        set(&self.overdue, machine.overdue());
        set(&self.oldest, machine.oldest_probe().map_or(0, Instant::as_nanos));
        let (hurried, until) = machine.hurried().unwrap_or((0, Instant::ZERO));
        set(&self.hurried, hurried);
        set(&self.hurried_until, until.as_nanos());
        set(&self.names_failures, u64::from(!machine.config().failures_on().is_empty()));
        set(&self.bucket_width, machine.bucket_width());
        set(&self.slow_over, machine.config().slow().map_or(u64::MAX, |slow| nanos(slow.over)));
        set(&self.cancelled, machine.config().cancelled() as u64);
        let packed = PackedState::new(machine.state(), machine.generation());
        if self.packed.load(Ordering::Relaxed) != packed.0 {
            // Release: pairs with `packed()`. What was stored above is seen by whoever sees this generation.
            self.packed.store(packed.0, Ordering::Release);
        }
    }

    #[inline]
    pub(crate) fn packed(&self) -> PackedState {
        // Acquire: whoever sees a new generation also sees the bucket width and the slow limit that belong to it, which
        // `publish` stores first.
        PackedState(self.packed.load(Ordering::Acquire))
    }

    /// Whether this is still the state that a call was admitted in, which has acquired it before.
    #[inline]
    pub(crate) fn is_still(&self, packed: PackedState) -> bool {
        self.packed.load(Ordering::Relaxed) == packed.0
    }

    /// Whether a call that comes now may ask under the lock, while the circuit is open.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        now.as_nanos() >= self.not_before.load(Ordering::Relaxed)
    }

    /// Whether a failure came after the last success. The thread that failed before sees its own failure, and for others
    /// either order is right.
    #[inline]
    pub(crate) fn has_streak(&self) -> bool {
        self.streak.load(Ordering::Relaxed) != 0
    }

    /// Nanoseconds of a bucket of the time window, or 0 without one.
    #[inline]
    pub(crate) fn bucket_width(&self) -> u64 {
        self.bucket_width.load(Ordering::Relaxed)
    }

    /// Nanoseconds from which a call is slow; `u64::MAX` when none is.
    #[inline]
    pub(crate) fn slow_over(&self) -> u64 {
        self.slow_over.load(Ordering::Relaxed)
    }

    /// Whether `on` names what is a failure.
    #[inline]
    pub(crate) fn names_failures(&self) -> bool {
        self.names_failures.load(Ordering::Relaxed) != 0
    }

    /// What a call counts as that was dropped, as the number of the [`Cancelled`](crate::Cancelled).
    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Why calls are refused; `None` when one may ask under the lock. Of plain words, so that a refusal costs no more than
    /// the clock.
    pub(crate) fn refusal(&self, state: CircuitState) -> Option<Refusal> {
        // Except for an isolated circuit no moment is later than an open time or a probe's age from now, so nobody is refused
        // for good.
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        if state == CircuitState::Isolated {
            return Some(Refusal::Isolated);
        }
        let now = clock::now();
        let left = load(&self.not_before).saturating_sub(now.as_nanos());
        if left > 0 {
            return Some(match state {
                CircuitState::HalfOpen if load(&self.overdue) != 0 => Refusal::ProbeTimeout(left),
                CircuitState::HalfOpen => Refusal::full(Instant::from_nanos(load(&self.oldest)), now, left),
                _ => Refusal::Open(left),
            });
        }
        let hurried = load(&self.hurried);
        if hurried == 0 || time_left(now).is_none_or(|left| nanos(left) > hurried) {
            return None;
        }
        let left = load(&self.hurried_until).saturating_sub(now.as_nanos());
        (left > 0).then_some(Refusal::Hurried(left))
    }
}

/// How much time the call has left that this thread makes; `None` where nobody further out limits it.
pub(crate) fn time_left(now: Instant) -> Option<Duration> {
    deadline::awaited_until().map(|until| until.saturating_since(now))
}
