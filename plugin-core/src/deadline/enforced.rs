//! The deadline that a layer further out enforces for the call that this thread begins or polls, and how long somebody waits
//! for a call that is shared.

use super::polling;
use crate::clock::Instant;

/// Puts the deadline back that was before, also when what ran meanwhile panics.
#[must_use = "it is put back at once"]
pub(super) struct RestoreEnforced(Instant);

impl Drop for RestoreEnforced {
    #[inline]
    fn drop(&mut self) {
        polling::with(|cell| cell.enforced.set(self.0));
    }
}

/// While the answer lives a call is begun whose deadline is enforced by the one who asks. Who polls it says so in that poll.
#[inline]
pub(super) fn enforcing(deadline: Instant) -> RestoreEnforced {
    RestoreEnforced(polling::with(|cell| cell.enforced.replace(deadline)))
}

/// Begins or polls a call that several callers share, of whom the last leaves at this moment: the call does not end at the
/// deadline of the caller that happens to poll it. For layers that share calls, such as coalescing.
pub fn shared_by_all<T>(last_leaves: Instant, run: impl FnOnce() -> T) -> T {
    struct RestoreAwaited(Instant);

    impl Drop for RestoreAwaited {
        fn drop(&mut self) {
            polling::with(|cell| cell.awaited.set(self.0));
        }
    }

    let _enforced = enforcing(Instant::MAX);
    let _awaited = RestoreAwaited(polling::with(|cell| cell.awaited.replace(last_leaves)));
    run()
}

/// [`Instant::MAX`] stands for none.
pub(super) fn until() -> Instant {
    polling::with(|cell| cell.enforced.get())
}

/// Until when somebody waits; [`Instant::MAX`] stands for as long as it takes.
pub(super) fn awaited() -> Instant {
    polling::with(|cell| cell.enforced.get().min(cell.awaited.get()))
}

/// The deadline of the call that this thread is beginning or polling: after it nobody waits for the call any more, since a
/// [`Deadline`](super::Deadline) or an [`AttemptTimeout`](super::AttemptTimeout) outside then drops it. `None` where
/// there is no such layer or the call has no deadline, inside of a call that is shared (`coalesce` of plugin-fallback),
/// which ends at no caller's (see [`awaited_until`]), or when a task stands between them and this.
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

/// Until when somebody waits for the call that this thread is beginning or polling: [`enforced`], and for a call that is
/// shared (`coalesce` of plugin-fallback) the latest deadline of those who wait for it at this moment. Others may join it,
/// so it is no deadline of the call; it is for who decides whether a call that begins now has time enough. `None`: for as
/// long as it takes, as far as is known.
///
/// ```
/// use plugin_core::{Call, deadline::{awaited_until, enforced}, PluginError, Reply};
/// use plugin_fallback::coalesce::CoalesceLayer;
/// use tower::{Layer, Service, service_fn};
///
/// let inner = service_fn(|_: Call<u8>| {
///     assert!(awaited_until().is_some() && enforced().is_none());
///     std::future::ready(Ok::<_, PluginError>(Reply::new(())))
/// });
/// let mut shared = CoalesceLayer::new(|call: &Call<u8>| Some(*call.payload())).layer(inner);
/// drop(shared.call(Call::new(7).with_timeout(std::time::Duration::from_secs(5))));
/// assert_eq!(awaited_until(), None);
/// ```
#[must_use]
pub fn awaited_until() -> Option<Instant> {
    Some(awaited()).filter(|until| *until != Instant::MAX)
}
