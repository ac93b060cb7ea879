//! What a call is waiting for, told from the inner layers to the outer ones while a future is polled.
//!
//! A layer that returns `Pending` for a reason of its own says so with [`note`], so that an error about a deadline can
//! tell where the time went. A layer whose timer will fire at the deadline or before says so with [`enforcing`], so that
//! outer layers need no timer of their own. Both are heard only by a layer of this family that is polling at the moment.

use std::task::Poll;

pub use super::note::Note;
use super::polling;
use crate::clock::{self, Instant};

/// Says what the call is waiting for, such as `"waiting between attempts"`. The first to speak in a poll, which is the
/// innermost, is heard.
pub fn note(stage: &'static str) {
    polling::with(|cell| {
        if cell.listens.get() {
            cell.stage.set(cell.stage.get().or(Some(stage)));
        }
    });
}

/// Says that a timer will wake this call at this moment at the latest.
pub fn enforcing(timer: Instant) {
    polling::with(|cell| {
        if cell.listens.get() {
            cell.timer.set(cell.timer.get().min(timer));
        }
    });
}

/// Says that this is the present moment, so that no layer further in or out need read the clock again in this poll. A
/// layer that begins another attempt in the same poll reads the clock and calls this again.
pub fn read(now: Instant) {
    polling::with(|cell| {
        // Nobody listens: it would be taken for the present in another poll.
        if cell.listens.get() {
            cell.now.set(now);
        }
    });
}

/// The present moment, for what begins in this poll. Reads the clock unless a layer has done so in this poll, and hands the
/// reading on.
#[must_use]
pub fn present() -> Instant {
    began().unwrap_or_else(clock::now)
}

/// The present moment, for a guard whose call has just begun to wait: it is to be judged by the time that it had if it is
/// cut. Reads the clock unless a layer has done so in this poll. `None`: no layer further out listens, so none will cut.
#[must_use]
pub fn began() -> Option<Instant> {
    polling::with(|cell| {
        if !cell.listens.get() {
            return None;
        }
        if cell.now.get() == Instant::ZERO {
            cell.now.set(clock::now());
        }
        Some(cell.now.get())
    })
}

/// Polls, and gives back what was heard, which is passed on to the layers further out too. Of a poll that is ready nothing
/// is heard.
pub fn listen<T>(poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, Note) {
    let listening = polling::listening(|_| {});
    let polled = poll();
    let heard = listening.heard(polled.is_pending());
    (polled, heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_is_heard_and_a_finished_call_leaves_nothing() {
        let (_, outer) = listen(|| {
            let (_, inner) = listen(|| {
                note("on the plugin");
                note("later");
                Poll::<()>::Pending
            });
            assert_eq!(inner.stage, Some("on the plugin"));
            let (_, _) = listen(|| {
                note("a sibling that finished");
                enforcing(Instant::from_nanos(1));
                Poll::Ready(())
            });
            Poll::<()>::Pending
        });
        assert_eq!(outer.stage, Some("on the plugin"));
        assert_eq!(outer.timer, Instant::MAX);
    }

    #[test]
    fn the_clock_is_read_once_in_a_poll_and_for_nobody_who_does_not_listen() {
        assert_eq!(began(), None);
        let readings = clock::readings();
        let (_, outer) = listen(|| {
            let mut first = None;
            let (_, _) = listen(|| {
                first = began();
                Poll::<()>::Pending
            });
            assert!(first.is_some() && began() == first);
            Poll::<()>::Pending
        });
        assert!(outer.now.is_some());
        assert_eq!(clock::readings() - readings, 1);
        assert_eq!(began(), None, "a poll that is over leaves no moment behind");
    }

    #[test]
    fn a_moment_is_handed_down_within_a_poll_and_to_no_other() {
        read(Instant::from_nanos(1));
        assert_eq!(began(), None);
        let (_, first) = listen(|| {
            read(Instant::from_nanos(2));
            let (_, inner) = listen(|| Poll::<()>::Pending);
            assert_eq!((inner.now, present()), (Some(Instant::from_nanos(2)), Instant::from_nanos(2)));
            Poll::<()>::Pending
        });
        assert_eq!(first.now, Some(Instant::from_nanos(2)));
        assert_eq!(listen(|| Poll::<()>::Pending).1.now, None);
    }

    #[test]
    fn a_poll_that_panics_leaves_nothing_behind() {
        let panicked = std::panic::catch_unwind(|| {
            listen(|| -> Poll<()> {
                read(Instant::from_nanos(1));
                panic!("in a poll")
            })
        });
        assert!(panicked.is_err());
        assert_eq!(began(), None, "nobody listens any more");
        assert_eq!(listen(|| Poll::<()>::Pending).1.now, None);
    }
}
