//! A machine whose counter goes wrong, for tests of what time does then.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_core::clock::{self, fake::Machine};
//!
//! let machine = Machine::install();
//! let start = clock::now();
//! machine.pass(Duration::from_secs(5));
//! machine.set_back(Duration::from_secs(3 * 3600));
//! machine.pass(Duration::from_secs(30));
//! assert_eq!(start.elapsed(), Duration::from_secs(35));
//! ```

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    time::Duration,
};

use super::{
    anchored::{Anchored, Source},
    instant::{HEAD_START, Instant, nanos},
};

struct Clocks {
    counter: Cell<u64>,
    monotonic: Cell<u64>,
    installed: Cell<bool>,
    anchored: RefCell<Anchored>,
}

thread_local!(static CLOCKS: Clocks = const {
    Clocks {
        counter: Cell::new(0),
        monotonic: Cell::new(HEAD_START),
        installed: Cell::new(false),
        anchored: RefCell::new(Anchored::new()),
    }
});

/// What [`now`](super::now) reads on the current thread until this is dropped, by the code that reads the processor's
/// counter in an optimised build. It does not move unless it is told to.
#[derive(Debug)]
#[must_use = "the clock is what it was when this is dropped"]
pub struct Machine(PhantomData<*const ()>);

impl Machine {
    /// Takes the place of the clock on this thread.
    ///
    /// # Panics
    ///
    /// When another one has it.
    pub fn install() -> Self {
        CLOCKS.with(|clocks| {
            assert!(!clocks.installed.replace(true), "this thread's clock is a machine's already");
            clocks.counter.set(nanos(Duration::from_secs(24 * 3600)));
            clocks.monotonic.set(HEAD_START);
            clocks.anchored.replace(Anchored::new());
        });
        Self(PhantomData)
    }

    /// Time passes, for both clocks.
    pub fn pass(&self, time: Duration) {
        self.jump(time);
        self.stand_still(time);
    }

    /// Time passes and the counter does not count it.
    pub fn stand_still(&self, time: Duration) {
        CLOCKS.with(|clocks| clocks.monotonic.set(clocks.monotonic.get().saturating_add(nanos(time))));
    }

    /// The counter is set forward.
    pub fn jump(&self, by: Duration) {
        CLOCKS.with(|clocks| clocks.counter.set(clocks.counter.get().saturating_add(nanos(by))));
    }

    /// The counter is set back, at most to zero.
    pub fn set_back(&self, by: Duration) {
        CLOCKS.with(|clocks| clocks.counter.set(clocks.counter.get().saturating_sub(nanos(by))));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        CLOCKS.with(|clocks| clocks.installed.set(false));
    }
}

impl Source for Clocks {
    fn counter(&self) -> u64 {
        self.counter.get()
    }

    fn between(&self, from: u64, to: u64) -> u64 {
        to.saturating_sub(from)
    }

    fn monotonic(&self) -> u64 {
        self.monotonic.get()
    }
}

/// The reading of this thread's machine, where there is one.
pub(super) fn now() -> Option<Instant> {
    CLOCKS.with(|clocks| clocks.installed.get().then(|| Instant::from_nanos(clocks.anchored.borrow().now(clocks))))
}
