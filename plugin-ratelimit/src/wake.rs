//! Waking those whose wait has ended.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// Wakes everybody, whatever one of the wakers does. To be called when no lock is held.
///
/// A waker is somebody else's code. One that panics has told so by the panic hook; whoever happens to serve the line is not to fail for
/// it, with a place or tokens in its hands, nor are those to sleep on who come after it.
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        let _panicked = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Wake,
    };

    use super::*;

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }

    struct Notes(AtomicBool);

    impl Wake for Notes {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_asleep() {
        let notes = Arc::new(Notes(AtomicBool::new(false)));
        wake_all(vec![Waker::from(Arc::new(Panics)), Waker::from(Arc::clone(&notes))]);
        assert!(notes.0.load(Ordering::Relaxed));
    }
}
