//! How long the attempt may take that this thread begins or polls, for a transport that tells the other side.

use std::time::Duration;

use super::{limit::duration, polling};

/// How long the attempt may take that this thread is beginning or polling now: the smallest limit of the
/// [`AttemptTimeout`](super::AttemptTimeout)s outside, as it was when the attempt began. `Duration::MAX` when they set none;
/// `None` when there is no such layer, or a task stands between it and this.
///
/// A transport under such a layer has no limit of its own, and tells the other side this one.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use plugin_core::{Call, deadline::{AttemptTimeoutLayer, attempt_limit}};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let mut stack = ServiceBuilder::new().layer(AttemptTimeoutLayer::new(Duration::from_secs(5))).service(service_fn(
///     |_: Call<()>| {
///         assert_eq!(attempt_limit(), Some(Duration::from_secs(5)));
///         std::future::ready(Ok::<_, plugin_core::PluginError>(()))
///     },
/// ));
/// drop(stack.call(Call::new(())));
/// assert_eq!(attempt_limit(), None);
/// ```
#[must_use]
pub fn attempt_limit() -> Option<Duration> {
    match polling::with(|cell| cell.attempt.get()) {
        0 => None,
        limit => Some(duration(limit).unwrap_or(Duration::MAX)),
    }
}

/// Puts the limit back that was before, also when what ran meanwhile panics.
#[must_use = "it is put back at once"]
pub(super) struct RestoreAttemptLimit(u64);

impl Drop for RestoreAttemptLimit {
    #[inline]
    fn drop(&mut self) {
        polling::with(|cell| cell.attempt.set(self.0));
    }
}

/// While the answer lives, what is begun or polled is an attempt that has this limit, in nanoseconds.
#[inline]
pub(super) fn limiting(limit: u64) -> RestoreAttemptLimit {
    RestoreAttemptLimit(polling::with(|cell| cell.limit_attempt(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited<T>(limit: u64, run: impl FnOnce() -> T) -> T {
        let _restore = limiting(limit);
        run()
    }

    #[test]
    fn the_smallest_limit_holds_for_as_long_as_it_is_in_force() {
        let second = 1_000_000_000;
        assert_eq!(attempt_limit(), None);
        limited(u64::MAX, || {
            assert_eq!(attempt_limit(), Some(Duration::MAX), "somebody is there, and sets none");
            limited(2 * second, || {
                limited(3 * second, || assert_eq!(attempt_limit(), Some(Duration::from_secs(2))));
                limited(second, || assert_eq!(attempt_limit(), Some(Duration::from_secs(1))));
                limited(0, || assert!(attempt_limit().is_some()));
                assert_eq!(attempt_limit(), Some(Duration::from_secs(2)));
            });
            let panicked = std::panic::catch_unwind(|| limited(second, || panic!("in a poll")));
            assert!(panicked.is_err());
            assert_eq!(attempt_limit(), Some(Duration::MAX));
        });
        assert_eq!(attempt_limit(), None);
    }
}
