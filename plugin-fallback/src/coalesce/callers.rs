//! Who waits for a shared call: how long, and who is to be woken when it can go on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

use plugin_core::clock::Instant;

/// All callers of one call. It is the waker that the call itself gets.
///
/// It wakes all of them: one that was chosen might be dropped, or not be polled, before it came to drive the call.
#[derive(Default)]
pub(super) struct Callers(Mutex<List>);

#[derive(Default)]
struct List {
    /// Woken since the last drive began.
    woken: bool,
    places: Vec<CallerPlace>,
    free: Vec<usize>,
    /// The latest `until`. `None` after the one who waited longest has left, until somebody asks: those who leave in any
    /// order are not searched for each of them.
    latest: Option<Instant>,
}

/// The place of a caller. One that is free waits until [`Instant::ZERO`].
struct CallerPlace {
    waker: Option<Waker>,
    until: Instant,
}

impl List {
    /// The caller of this place waits until this moment, and no longer until the one before.
    fn wait(&mut self, place: usize, until: Instant) {
        let before = std::mem::replace(&mut self.places[place].until, until);
        self.latest = self.latest.map(|latest| latest.max(until)).filter(|latest| before < *latest || until >= *latest);
    }

    fn latest(&mut self) -> Instant {
        let all = || self.places.iter().map(|place| place.until).max().unwrap_or_default();
        *self.latest.get_or_insert_with(all)
    }
}

impl Callers {
    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing of a user's runs under the lock, so nothing panics there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place to a caller that waits until this moment.
    pub(super) fn enter(&self, until: Instant) -> usize {
        let mut list = self.lock();
        let place = list.free.pop().unwrap_or_else(|| {
            list.places.push(CallerPlace { waker: None, until: Instant::ZERO });
            list.places.len() - 1
        });
        list.wait(place, until);
        place
    }

    /// A caller waits, until this moment, and is to be woken by this waker.
    pub(super) fn wait(&self, place: usize, until: Instant, waker: &Waker) {
        // A waker is foreign code: cloned before the lock is taken, and dropped after.
        let mut waker = Some(waker.clone());
        let mut list = self.lock();
        list.wait(place, until);
        std::mem::swap(&mut list.places[place].waker, &mut waker);
        drop(list);
    }

    /// Gives back the place of a caller that is gone.
    pub(super) fn leave(&self, place: usize) {
        let mut list = self.lock();
        list.wait(place, Instant::ZERO);
        let waker = list.places[place].waker.take();
        list.free.push(place);
        drop(list);
        drop(waker);
    }

    /// A drive begins: what woke until now is answered by it. Gives back when the last of those leaves who wait now.
    pub(super) fn begin(&self) -> Instant {
        let mut list = self.lock();
        list.woken = false;
        list.latest()
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
        let wakers: Vec<Waker> = list.places.iter_mut().filter_map(|place| place.waker.take()).collect();
        drop(list);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Callers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn the_last_to_leave_is_the_latest_of_those_who_are_there() {
        let callers = Callers::default();
        assert_eq!(callers.begin(), Instant::ZERO, "nobody waits");
        let [first, patient, equal] = [20, 50, 50].map(|until| callers.enter(at(until)));
        assert_eq!(callers.begin(), at(50));
        callers.leave(patient);
        assert_eq!(callers.begin(), at(50), "another waits as long");
        callers.leave(equal);
        assert_eq!(callers.begin(), at(20));
        let next = callers.enter(at(30));
        assert!([patient, equal].contains(&next), "a place that is free is used again");
        assert_eq!(callers.begin(), at(30));
        callers.wait(first, Instant::MAX, Waker::noop());
        assert_eq!(callers.begin(), Instant::MAX, "who waits may come to wait longer");
        callers.wait(first, at(25), Waker::noop());
        assert_eq!(callers.begin(), at(30), "or no longer");
    }
}
