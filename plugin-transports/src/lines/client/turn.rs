//! Who is woken when something can be read.
//!
//! The driver reads for all. A caller that is alone reads its own answer, which saves waking a task that would wake the caller: of
//! two tasks that a call needs to wake, it is the one that costs more. What is read is registered with one waker, which asks here
//! whom to wake, so that a turn passes on without another look at the pipe.
//!
//! Whoever gives up the turn, or read in it, has either seen since that nothing can be read, or wakes whose turn it is then: what came
//! in between has woken somebody who does not look any more, or who was kept from it.

use std::{
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

use super::sync::{Mutex, MutexGuard};

/// Whose turn it is to read.
#[derive(Debug, Default)]
pub(crate) struct ReadTurn(Mutex<Readers>);

#[derive(Debug, Default)]
struct Readers {
    /// Wakes the driver. `None` until it was polled, when it looks at everything by itself.
    driver: Option<Waker>,
    /// The request that is alone, and who waits for its answer.
    alone: Option<(u64, Waker)>,
}

impl ReadTurn {
    /// The driver says how it is woken.
    pub(crate) fn set_driver(&self, waker: &Waker) {
        match &mut self.readers().driver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(crate) fn driver(&self) -> Option<Waker> {
        self.readers().driver.clone()
    }

    /// It is the turn of this request, which is alone.
    pub(crate) fn take(&self, id: u64, waker: &Waker) {
        self.readers().alone = Some((id, waker.clone()));
    }

    /// It is the driver's turn, who is to be woken.
    pub(crate) fn give_to_driver(&self) {
        self.readers().alone = None;
    }

    /// Whether it is the turn of this request, of which this waker is the last.
    pub(crate) fn is_of(&self, id: u64, waker: &Waker) -> bool {
        match &mut self.readers().alone {
            Some((alone, known)) if *alone == id => {
                known.clone_from(waker);
                true
            }
            _ => false,
        }
    }

    /// Gives the turn of this request to the driver. Whether it was its turn: then the driver is to be woken, or to be spared that
    /// by a look at the pipe.
    pub(crate) fn leave(&self, id: u64) -> bool {
        let alone = &mut self.readers().alone;
        let was = matches!(alone, Some((alone, _)) if *alone == id);
        if was {
            *alone = None;
        }
        was
    }

    // Nothing panics half way through a change, so a poisoned lock is still sound.
    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for ReadTurn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let readers = self.readers();
        let waker = readers.alone.as_ref().map(|(_, waker)| waker).or(readers.driver.as_ref()).cloned();
        drop(readers);
        // Outside the lock: a waker is somebody else's code.
        waker.into_iter().for_each(Waker::wake);
    }
}
