//! What a balancer tells the layers outside of it of a failure: it is that of one instance, which gets no calls for a time, while others
//! do. For authors of layers.
//!
//! A circuit breaker outside of a balancer judges all instances together. Where one of them is ejected for what it does, the failures
//! that show that are dealt with, and the breaker would refuse the calls that the others answer.
//!
//! **The rule.** A balancer says [`tell`] in the poll in which it answers with such a failure. Who judges reads [`told`] before it polls
//! and after, and where it is another number, a failure is no evidence against all. A task or a channel in between, such as tower's
//! `buffer`, hears nothing.

use std::cell::Cell;

thread_local! {
    /// How often it was told on this thread. A count and not a flag, so that who polls tells what came in its poll from what was before.
    static TOLD: Cell<u32> = const { Cell::new(0) };
}

/// Says that the failure of this poll is that of an instance that is ejected, while others are not.
#[inline]
pub fn tell() {
    // A thread that is being torn down has no cell left, and nobody who listens.
    let _ = TOLD.try_with(|told| told.set(told.get().wrapping_add(1)));
}

/// A number that is another one when it was [told](tell) since.
///
/// ```
/// use plugin_core::ejected;
///
/// let before = ejected::told();
/// ejected::tell();
/// assert_ne!(ejected::told(), before);
/// ```
#[must_use]
#[inline]
pub fn told() -> u32 {
    TOLD.try_with(Cell::get).unwrap_or_default()
}
