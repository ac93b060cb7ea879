//! `least-latency`: the instance that is expected to answer first.

use plugin_core::clock::Instant;

use super::{
    pool::{Pool, View},
    two,
};
use crate::estimate::Expected;

/// What a call in flight on an instance that was never measured is taken to cost, in nanoseconds: one second.
const UNMEASURED: f32 = 1e9;

/// The instance on which the call would be done first: its latency, times the calls in flight with this one. Looks at
/// every instance, and at two where there are many.
pub(super) fn pick<V: View>(
    pool: &Pool<'_, V>,
    turn: u64,
    ticket: impl FnOnce() -> u64,
    now: Instant,
) -> Option<usize> {
    if pool.is_large() {
        two::by_turn(pool, turn, ticket(), |view| cost(view, now))
    } else {
        pool.least(turn, |view| cost(view, now))
    }
}

/// When a call on it would be done, as far as is known.
///
/// One that was never measured is asked at once, by one call at a time: until that one is back it counts as slow, so
/// that a new instance that hangs does not take all traffic. One that fails again and again costs more than any that
/// answers, however busy: else it would be the least as soon as what the others have in flight takes longer than a
/// failure is taken to cost. After a while one call may try.
pub(super) fn cost<V: View>(view: &V, now: Instant) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a cost is compared, not counted")]
    let in_flight = view.in_flight() as f32;
    match view.expected(now) {
        Expected::Answer(latency) => latency * (in_flight + 1.0),
        Expected::Nothing => UNMEASURED * in_flight,
        Expected::Trial(latency) if in_flight == 0.0 => latency,
        Expected::Trial(_) | Expected::Failure => f32::INFINITY,
    }
}
