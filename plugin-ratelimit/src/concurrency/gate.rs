//! How many calls run, how many may, and whether somebody waits: one word, so that a decision mixes no two moments.

use crate::sync::{AtomicU64, Ordering};

const COUNT_BITS: u32 = 30;

/// The largest count that the word holds, of calls in flight and of the limit.
pub(crate) const MOST: u32 = (1 << COUNT_BITS) - 1;

const NO_LINE: u64 = 1 << 60;
const WAITING: u64 = 1 << 61;
const DISABLED: u64 = 1 << 62;
const MEASURED: u64 = 1 << 63;

/// The state of a limit at one moment.
///
/// The lowest 30 bits count the calls in flight, the next 30 are the limit. Above them is whether there is no line, whether somebody
/// waits, whether the limit is switched off, and whether calls are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading(u64);

impl Reading {
    fn new(limit: u32, enabled: bool) -> Self {
        let off = if enabled { 0 } else { DISABLED };
        Self(off).with_limit(limit)
    }

    pub(crate) fn in_flight(self) -> u32 {
        (self.0 & u64::from(MOST)) as u32
    }

    pub(crate) fn limit(self) -> u32 {
        (self.0 >> COUNT_BITS & u64::from(MOST)) as u32
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    /// Whether anybody may wait.
    pub(crate) fn has_line(self) -> bool {
        self.0 & NO_LINE == 0
    }

    pub(crate) fn is_enabled(self) -> bool {
        self.0 & DISABLED == 0
    }

    /// Whether the limit learns from the calls.
    #[inline]
    pub(crate) fn is_measured(self) -> bool {
        self.0 & MEASURED != 0
    }

    #[inline]
    fn has_room(self) -> bool {
        self.in_flight() < self.limit()
    }

    fn with_limit(self, limit: u32) -> Self {
        let others = self.0 & !(u64::from(MOST) << COUNT_BITS);
        Self(others | u64::from(limit.min(MOST)) << COUNT_BITS)
    }

    fn with_flag(self, flag: u64, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }
}

/// Who asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody who just came, and must not overtake those who wait.
    Newcomer,
    /// Who is next of those who wait. The lock of the line is held.
    Next,
}

/// What somebody finds who asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Entry {
    /// It has a place, and this is the state with it.
    Counted(Reading),
    /// The limit is switched off: it passes, and has no place to give back.
    Uncounted,
    /// There is no place for it.
    Full,
}

/// The word, and what threads do with it.
///
/// While somebody waits, places are taken under the lock of the line alone: a newcomer is turned away. Who lines up sets the flag and
/// looks for room after it; who leaves frees the place and sees in the same step whether the flag was set. One of the two is first, so
/// either the place is seen or the flag is, and a place that comes free goes to whoever is next.
pub(crate) struct Gate(AtomicU64);

impl Gate {
    pub(crate) fn new(limit: u32, enabled: bool) -> Self {
        Self(AtomicU64::new(Reading::new(limit, enabled).0))
    }

    pub(crate) fn read(&self) -> Reading {
        // Acquire: who reads that a place is free sees what its last holder did.
        Reading(self.0.load(Ordering::Acquire))
    }

    /// Takes a place. While the limit is off that is a load and nothing else.
    #[inline]
    pub(crate) fn enter(&self, who: Who) -> Entry {
        let mut present = self.read();
        loop {
            if !present.is_enabled() {
                return Entry::Uncounted;
            }
            if !present.has_room() || present.is_waiting() && who == Who::Newcomer {
                return Entry::Full;
            }
            let next = Reading(present.0 + 1);
            match self.exchange(present, next) {
                Ok(()) => return Entry::Counted(next),
                Err(other) => present = other,
            }
        }
    }

    /// Gives a place back, and says whether somebody waits: whoever is next is to be served then.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        // Release: what a call did happens before what the next holder of its place does.
        Reading(self.0.fetch_sub(1, Ordering::Release)).is_waiting()
    }

    /// Sets the limit. Who is in flight stays.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.change(|present| present.with_limit(limit));
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.change(|present| present.with_flag(DISABLED, !enabled));
    }

    pub(crate) fn set_measured(&self, measured: bool) {
        self.change(|present| present.with_flag(MEASURED, measured));
    }

    /// Says whether anybody may wait.
    pub(crate) fn set_line(&self, line: bool) {
        self.change(|present| present.with_flag(NO_LINE, !line));
    }

    /// Says whether somebody waits. The lock of the line is held.
    pub(crate) fn set_waiting(&self, waiting: bool) {
        self.change(|present| present.with_flag(WAITING, waiting));
    }

    fn change(&self, next: impl Fn(Reading) -> Reading) {
        let mut present = self.read();
        while let Err(other) = self.exchange(present, next(present)) {
            present = other;
        }
    }

    #[inline]
    fn exchange(&self, present: Reading, next: Reading) -> Result<(), Reading> {
        // Release: what a call did happens before what the next holder of its place does. Acquire: the other half of it.
        match self.0.compare_exchange_weak(present.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(other) => Err(Reading(other)),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn enter(gate: &Gate, who: Who) -> Option<u32> {
        match gate.enter(who) {
            Entry::Counted(with) => Some(with.in_flight()),
            Entry::Uncounted | Entry::Full => None,
        }
    }

    #[test]
    fn the_parts_of_the_word_do_not_touch_each_other() {
        let gate = Gate::new(MOST, true);
        assert_eq!(enter(&gate, Who::Newcomer), Some(1));
        gate.set_waiting(true);
        gate.set_enabled(false);
        gate.set_limit(5);
        let read = gate.read();
        assert_eq!((read.in_flight(), read.limit(), read.is_waiting(), read.is_enabled()), (1, 5, true, false));
        assert!(!read.is_measured() && read.has_line());
        gate.set_measured(true);
        gate.set_line(false);
        gate.set_limit(u32::MAX);
        gate.set_waiting(false);
        gate.set_enabled(true);
        let read = gate.read();
        assert_eq!((read.in_flight(), read.limit(), read.is_waiting(), read.is_enabled()), (1, MOST, false, true));
        assert!(read.is_measured() && !read.has_line());
    }

    #[test]
    fn as_many_enter_as_may_and_one_for_each_that_leaves() {
        for most in [1, 2, 200] {
            let gate = Gate::new(most, true);
            let entered: Vec<_> = (0..most).map_while(|_| enter(&gate, Who::Newcomer)).collect();
            assert_eq!(entered, (1..=most).collect::<Vec<_>>());
            assert_eq!(gate.enter(Who::Newcomer), Entry::Full);
            assert!(!gate.leave(), "nobody waits");
            assert_eq!(enter(&gate, Who::Newcomer), Some(most));
        }
    }

    #[test]
    fn while_somebody_waits_a_newcomer_gets_no_place_and_who_leaves_is_told() {
        for most in [2, 200] {
            let gate = Gate::new(most, true);
            assert_eq!(enter(&gate, Who::Newcomer), Some(1));
            gate.set_waiting(true);
            assert_eq!(gate.enter(Who::Newcomer), Entry::Full);
            assert!(gate.leave());
            assert_eq!(enter(&gate, Who::Next), Some(1));
            assert_eq!(gate.read().in_flight(), 1);
        }
    }

    #[test]
    fn a_limit_that_is_off_counts_nobody_and_a_smaller_one_lets_nobody_in_until_as_many_have_left() {
        let gate = Gate::new(1, false);
        assert_eq!([Who::Newcomer, Who::Next].map(|who| gate.enter(who)), [Entry::Uncounted; 2]);
        assert_eq!(gate.read().in_flight(), 0);
        gate.set_enabled(true);
        gate.set_limit(3);
        assert_eq!([(); 3].map(|()| enter(&gate, Who::Newcomer)), [Some(1), Some(2), Some(3)]);
        gate.set_limit(1);
        for _ in 0..2 {
            assert!(!gate.leave());
            assert_eq!(gate.enter(Who::Newcomer), Entry::Full);
        }
        assert!(!gate.leave());
        assert_eq!(enter(&gate, Who::Newcomer), Some(1));
    }
}
