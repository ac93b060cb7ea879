//! The deadline that a layer further out enforces for the call that this thread begins or polls.

use super::polling;
use crate::clock::Instant;

/// Puts the deadline back that was before, also when what ran meanwhile panics.
#[must_use = "it is put back at once"]
pub(super) struct Restore(Instant);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        polling::with(|cell| cell.enforced.set(self.0));
    }
}

/// While the answer lives a call is begun whose deadline is enforced by the one who asks. Who polls it says so in that poll.
#[inline]
pub(super) fn enforcing(deadline: Instant) -> Restore {
    Restore(polling::with(|cell| cell.enforced.replace(deadline)))
}

/// Begins or polls a call that has other callers too: it does not end at the deadline of the one who happens to do so.
pub(crate) fn of_nobody<T>(run: impl FnOnce() -> T) -> T {
    let _restore = enforcing(Instant::MAX);
    run()
}

/// [`Instant::MAX`] stands for none.
pub(super) fn until() -> Instant {
    polling::with(|cell| cell.enforced.get())
}

/// The deadline of the call that this thread is beginning or polling: after it nobody waits for the call any more, since a
/// [`WithDeadline`](super::WithDeadline) or an [`AttemptTimeout`](super::AttemptTimeout) outside then drops it. `None` where
/// there is no such layer or the call has no deadline, inside of a call that is [shared](crate::coalesce), or when a task
/// stands between them and this.
///
/// ```
/// use plugin_core::{Call, PluginError, deadline::{DeadlineLayer, enforced}};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let inner = service_fn(|call: Call<()>| {
///     assert!(enforced().is_some() && enforced() == call.context().deadline());
///     std::future::ready(Ok::<_, PluginError>(()))
/// });
/// let mut stack = ServiceBuilder::new().layer(DeadlineLayer::new(std::time::Duration::from_secs(5))).service(inner);
/// drop(stack.call(Call::new(())));
/// assert_eq!(enforced(), None);
/// ```
#[must_use]
pub fn enforced() -> Option<Instant> {
    Some(until()).filter(|deadline| *deadline != Instant::MAX)
}
