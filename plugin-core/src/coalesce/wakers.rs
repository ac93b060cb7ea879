//! Who is to be woken when a shared call can go on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// The wakers of all callers of one call. It is the waker that the call itself gets.
///
/// It wakes all of them: one that was chosen might be dropped, or not be polled, before it came to drive the call.
#[derive(Default)]
pub(super) struct Wakers(Mutex<List>);

#[derive(Default)]
struct List {
    /// Woken since the last drive began.
    woken: bool,
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing of a user's runs under the lock, so nothing panics there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the waker of a caller, which gets its place the first time.
    pub(super) fn register(&self, place: &mut Option<usize>, waker: &Waker) {
        // A waker is foreign code: cloned before the lock is taken, and dropped after.
        let mut waker = Some(waker.clone());
        let mut list = self.lock();
        let index = *place.get_or_insert_with(|| {
            list.free.pop().unwrap_or_else(|| {
                list.places.push(None);
                list.places.len() - 1
            })
        });
        std::mem::swap(&mut list.places[index], &mut waker);
        drop(list);
    }

    /// Gives back the place of a caller that is gone.
    pub(super) fn leave(&self, place: usize) {
        let mut list = self.lock();
        let waker = list.places[place].take();
        list.free.push(place);
        drop(list);
        drop(waker);
    }

    /// A drive begins: what woke until now is answered by it.
    pub(super) fn begin(&self) {
        self.lock().woken = false;
    }

    /// A drive has ended without a result. A caller that was woken meanwhile found the call taken, so it is told again.
    pub(super) fn pause(&self) {
        if self.lock().woken {
            self.wake_all();
        }
    }

    /// Wakes everybody. A caller that is polled sets its waker anew.
    pub(super) fn wake_all(&self) {
        let mut list = self.lock();
        list.woken = true;
        let wakers: Vec<Waker> = list.places.iter_mut().filter_map(Option::take).collect();
        drop(list);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
