//! A counter that is held to the monotonic clock.

use std::cell::Cell;

/// Where time is read.
pub(super) trait Source {
    /// A counter that is cheap to read, and may be set back, jump or stand still.
    fn counter(&self) -> u64;

    /// Nanoseconds from one reading of the counter to another; 0 when they are not in order.
    fn between(&self, from: u64, to: u64) -> u64;

    /// Nanoseconds of the clock that never goes back. It costs more.
    fn monotonic(&self) -> u64;
}

/// Nanoseconds that the counter is believed without a look at the monotonic clock. A look costs about as much as two
/// or three readings, so that a thread which reads all the time spends less than a thousandth of it on them.
pub(super) const TRUSTED: u64 = 1_000_000;

/// One thread's view: both clocks when they were last read together. Threads share nothing.
#[derive(Debug)]
pub(super) struct Anchored {
    counter: Cell<u64>,
    nanos: Cell<u64>,
    /// What was answered last.
    last: Cell<u64>,
}

impl Anchored {
    /// One that looks at the monotonic clock first: no counter comes after this one.
    pub(super) const fn new() -> Self {
        Self { counter: Cell::new(u64::MAX), nanos: Cell::new(0), last: Cell::new(0) }
    }

    #[inline]
    pub(super) fn now(&self, source: &impl Source) -> u64 {
        let since = source.between(self.counter.get(), source.counter());
        let now = self.nanos.get().saturating_add(since);
        // A counter that was set back, or that stands still, answers what was answered before.
        if since < TRUSTED && now > self.last.get() {
            self.last.set(now);
            return now;
        }
        self.anchor(source)
    }

    #[cold]
    fn anchor(&self, source: &impl Source) -> u64 {
        // The monotonic clock first: a thread that is put aside in between is behind it for a moment, never ahead.
        self.nanos.set(source.monotonic());
        self.counter.set(source.counter());
        // A counter that had run ahead is waited for, at most for as long as it was trusted.
        let now = self.nanos.get().max(self.last.get());
        self.last.set(now);
        now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A counter of three ticks to the nanosecond, and how often the other clock was looked at.
    #[derive(Default)]
    struct Machine {
        counter: Cell<u64>,
        monotonic: Cell<u64>,
        looks: Cell<u32>,
    }

    impl Machine {
        fn at(counter: u64, monotonic: u64) -> Self {
            let machine = Self::default();
            machine.counter.set(counter);
            machine.monotonic.set(monotonic);
            machine
        }

        fn pass(&self, nanos: u64) {
            self.counter.set(self.counter.get().saturating_add(3 * nanos));
            self.monotonic.set(self.monotonic.get() + nanos);
        }
    }

    impl Source for Machine {
        fn counter(&self) -> u64 {
            self.counter.get()
        }

        fn between(&self, from: u64, to: u64) -> u64 {
            to.saturating_sub(from) / 3
        }

        fn monotonic(&self) -> u64 {
            self.looks.set(self.looks.get() + 1);
            self.monotonic.get()
        }
    }

    #[test]
    fn a_counter_that_is_good_is_believed_for_a_millisecond_at_a_time() {
        let (machine, anchored) = (Machine::at(500, 7 * SECOND), Anchored::new());
        assert_eq!((anchored.now(&machine), machine.looks.get()), (7 * SECOND, 1));
        for reading in 1..1000 {
            machine.pass(1000);
            assert_eq!(anchored.now(&machine), 7 * SECOND + 1000 * reading);
        }
        assert_eq!(machine.looks.get(), 1);
        machine.pass(999);
        assert_eq!((anchored.now(&machine), machine.looks.get()), (7 * SECOND + 999_999, 1));
        machine.pass(1);
        assert_eq!((anchored.now(&machine), machine.looks.get()), (7 * SECOND + TRUSTED, 2));
        machine.pass(TRUSTED - 1);
        assert_eq!((anchored.now(&machine), machine.looks.get()), (7 * SECOND + 2 * TRUSTED - 1, 2));
    }

    #[test]
    fn a_counter_that_stands_still_is_not_believed_twice() {
        let (machine, anchored) = (Machine::at(500, SECOND), Anchored::new());
        let start = anchored.now(&machine);
        for seconds in 1..10 {
            machine.monotonic.set(SECOND + seconds * SECOND);
            assert_eq!(anchored.now(&machine), start + seconds * SECOND);
        }
    }

    #[test]
    fn a_counter_that_had_run_ahead_is_waited_for() {
        let (machine, anchored) = (Machine::at(500, SECOND), Anchored::new());
        anchored.now(&machine);
        machine.counter.set(500 + 3 * 900_000);
        assert_eq!(anchored.now(&machine), SECOND + 900_000, "too little to notice");
        machine.pass(100_000);
        assert_eq!(anchored.now(&machine), SECOND + 900_000, "noticed, and time does not go back");
        machine.pass(800_000);
        assert_eq!(anchored.now(&machine), SECOND + 900_000);
        machine.pass(1);
        assert_eq!(anchored.now(&machine), SECOND + 900_001, "the monotonic clock has come up");
    }

    proptest! {
        /// Time passes, and the counter does what it likes. What is answered never goes back, is not ahead of the
        /// monotonic clock by more than the counter was trusted for, and is right once the counter is noticed.
        #[test]
        fn time_never_goes_back_and_never_stands_still(
            counter in any::<u64>(),
            steps in prop::collection::vec((0..10 * SECOND, prop::option::weighted(0.3, any::<u64>())), 1..50),
        ) {
            let (machine, anchored) = (Machine::at(counter, 3600 * SECOND), Anchored::new());
            let mut last = anchored.now(&machine);
            for (passes, jump) in steps {
                machine.pass(passes);
                if let Some(counter) = jump {
                    machine.counter.set(counter);
                }
                let now = anchored.now(&machine);
                prop_assert!(now >= last);
                prop_assert!(now <= machine.monotonic.get() + TRUSTED);
                last = now;
                // A millisecond later whatever happened has been noticed.
                machine.pass(TRUSTED);
                let now = anchored.now(&machine);
                prop_assert!(now >= last);
                prop_assert!(now.abs_diff(machine.monotonic.get()) <= TRUSTED, "{now} {}", machine.monotonic.get());
                last = now;
            }
        }
    }
}
