//! The deadline of a caller whose call has other callers too.
//!
//! A shared call must not end when the time of the caller that happened to make it is up. The
//! [`WithDeadline`](super::WithDeadline) of each caller waits no longer than its own deadline, and the last of them to go
//! takes the call with it; so the call has the latest deadline of its callers when nothing inside enforces that of its
//! maker. Whoever shares calls therefore [`lift`]s the deadline that is enforced outside from all that the call does:
//! a request that carries this very moment says that it has no deadline.

use super::polling;
use crate::clock::Instant;

/// Puts both deadlines back, also when what ran meanwhile panics.
struct Restore {
    enforced: Instant,
    lifted: Instant,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        polling::with(|cell| {
            cell.enforced.set(self.enforced);
            cell.lifted.set(self.lifted);
        });
    }
}

#[inline]
fn within<T>(enforced: Instant, lifted: Instant, run: impl FnOnce() -> T) -> T {
    let _restore = polling::with(|cell| Restore {
        enforced: cell.enforced.replace(enforced),
        lifted: cell.lifted.replace(lifted),
    });
    run()
}

/// Makes a call whose deadline is enforced by the one who asks. Who polls it says so in that poll.
#[inline]
pub(super) fn enforce<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    within(deadline, polling::with(|cell| cell.lifted.get()), run)
}

/// The deadline that a layer further out enforces for the call that is being made; [`Instant::MAX`] without one.
pub(crate) fn enforced() -> Instant {
    polling::with(|cell| cell.enforced.get())
}

/// Makes a shared call, or polls it: requests that carry this deadline say that they have none.
pub(crate) fn lift<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    // Shared once more inside, it is still this deadline that is to be lifted, whoever polls.
    within(deadline, deadline, run)
}

/// Whether a request that carries this deadline has none, since its call is shared.
#[inline]
pub(crate) fn is_lifted(deadline: Instant) -> bool {
    polling::with(|cell| cell.lifted.get()) == deadline
}
