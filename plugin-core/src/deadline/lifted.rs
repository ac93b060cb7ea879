//! The deadline of a caller whose call has other callers too.
//!
//! A shared call must not end when the time of the caller that happened to make it is up. The
//! [`WithDeadline`](super::WithDeadline) of each caller waits no longer than its own deadline, and the last of them to go
//! takes the call with it; so the call has the latest deadline of its callers when nothing inside enforces that of its
//! maker. Whoever shares calls therefore [`lift`]s the deadline that is enforced outside from all that the call does:
//! a request that carries this very moment says that it has no deadline.

use std::cell::Cell;

use crate::clock::Instant;

/// [`Instant::MAX`] stands for none.
#[derive(Clone, Copy)]
struct Scope {
    enforced: Instant,
    lifted: Instant,
}

thread_local!(static SCOPE: Cell<Scope> = const { Cell::new(Scope { enforced: Instant::MAX, lifted: Instant::MAX }) });

/// Puts the scope back, also when what ran in it panics.
struct Restore(Scope);

impl Drop for Restore {
    fn drop(&mut self) {
        SCOPE.set(self.0);
    }
}

fn within<T>(scope: Scope, run: impl FnOnce() -> T) -> T {
    let _restore = Restore(SCOPE.replace(scope));
    run()
}

/// Makes a call, or polls it, whose deadline is enforced by the one who asks.
pub(super) fn enforce<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    within(Scope { enforced: deadline, ..SCOPE.get() }, run)
}

/// Polls what has this deadline, or the earlier one that a layer further out enforces.
pub(super) fn watch<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    enforce(deadline.min(enforced()), run)
}

/// The deadline that a layer further out enforces for the call that is being made; [`Instant::MAX`] without one.
pub(crate) fn enforced() -> Instant {
    SCOPE.get().enforced
}

/// Makes a shared call, or polls it: requests that carry this deadline say that they have none.
pub(crate) fn lift<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    // Shared once more inside, it is still this deadline that is to be lifted, whoever polls.
    within(Scope { enforced: deadline, lifted: deadline }, run)
}

/// Whether a request that carries this deadline has none, since its call is shared.
#[inline]
pub(crate) fn is_lifted(deadline: Instant) -> bool {
    SCOPE.get().lifted == deadline
}
