//! The moment at which the service could begin with a call, for layers that measure how long it takes.
//!
//! Time for which a call was held back on this side is not the service's, whether the call ends early or has its answer. Of
//! one that is cut a transport says it with [`cut::report_held_until`](super::cut::report_held_until), and of one that
//! has its answer with [`tell`], in the poll that ends it. Whoever measures, such as a breaker that counts slow calls,
//! or a balancer, calls [`forget`] before it polls, and asks [`since`] when it has the answer.
//!
//! ```
//! use plugin_core::{clock, deadline::turn};
//!
//! let began = clock::now();
//! turn::forget();
//! // In the poll of the service: the call waited until others were done.
//! let turn = began.saturating_add(std::time::Duration::from_secs(2));
//! turn::tell(turn);
//! assert_eq!(turn::since(began), turn);
//! ```

use std::cell::Cell;

use crate::clock::Instant;

// `Instant::ZERO`: nothing was told.
thread_local!(static TURN: Cell<Instant> = const { Cell::new(Instant::ZERO) });

/// Forgets what was told. Before a poll whose end is measured.
#[inline]
pub fn forget() {
    TURN.set(Instant::ZERO);
}

/// Says, in the poll that ends a call, that it was held back on this side until this moment. Of several the latest counts.
#[cold]
pub fn tell(turn: Instant) {
    TURN.set(TURN.get().max(turn));
}

/// Since when the service had a call that began then and has ended in this poll.
#[inline]
#[must_use]
pub fn since(began: Instant) -> Instant {
    began.max(TURN.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_turn_is_heard_until_it_is_forgotten_and_never_one_before_the_call_began() {
        let at = Instant::from_nanos;
        forget();
        assert_eq!(since(at(5)), at(5));
        tell(at(7));
        tell(at(6));
        assert_eq!((since(at(5)), since(at(8))), (at(7), at(8)));
        forget();
        assert_eq!(since(at(5)), at(5));
    }
}
