//! The moment at which a call ended, read once and handed on.
//!
//! Several layers of a stack want to know when a call ended: the transport that has its connection free again, a breaker
//! that asks whether it was slow, a retry that books a success, telemetry. Whoever is further in [`read`]s the clock when it
//! sees the end, and leaves the moment for those further out, who ask with [`heard`] in the same poll. A layer that asks
//! calls [`forget`] before it polls what is further in, so that it hears of no end but that of what it has just polled.
//!
//! The moment does not include what a layer of another library does after it in the same poll, such as reading the body. So
//! telemetry, whose times others see, asks for it only where it was told that no such layer stands further in.

use std::cell::Cell;

use super::Instant;

// `Instant::ZERO`: nothing was left.
thread_local!(static END: Cell<Instant> = const { Cell::new(Instant::ZERO) });

/// Forgets what was left. Before a poll whose end is asked for.
#[inline]
pub fn forget() {
    END.set(Instant::ZERO);
}

/// Reads the clock at the end of a call, or of a part of it, and leaves the moment for the layers further out.
#[inline]
#[must_use]
pub fn read() -> Instant {
    let now = super::now();
    END.set(now);
    now
}

/// The moment that a layer further in has left since the last [`forget`]. Without one the clock is read, and the moment is
/// left.
#[inline]
#[must_use]
pub fn heard() -> Instant {
    match END.get() {
        Instant::ZERO => read(),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::readings, *};

    #[test]
    fn the_end_is_read_once_and_heard_by_all_who_are_further_out() {
        forget();
        let before = readings();
        let end = read();
        assert_eq!((heard(), heard()), (end, end));
        assert_eq!(readings() - before, 1);
        forget();
        let next = heard();
        assert_eq!((readings() - before, heard()), (2, next), "of another end nothing is known");
    }
}
