//! `least-latency`: the instance that is expected to answer first.

use plugin_core::clock::Instant;

use super::pool::{Pool, View};

/// What a call in flight on an instance that was never measured is taken to cost, in nanoseconds: one second.
const UNMEASURED: f32 = 1e9;

/// The instance on which the call would be done first: its latency, times the calls in flight with this one.
///
/// One that was never measured is asked at once, by one call at a time: until that one is back it counts as slow, so
/// that a new instance that hangs does not take all traffic. Looks at every instance.
pub(super) fn pick<V: View>(pool: &Pool<'_, V>, turn: u64, now: Instant) -> Option<usize> {
    pool.least(turn, |view| {
        #[expect(clippy::cast_precision_loss, reason = "a cost is compared, not counted")]
        let in_flight = view.in_flight() as f32;
        match view.latency(now) {
            Some(latency) => latency * (in_flight + 1.0),
            None => UNMEASURED * in_flight,
        }
    })
}
