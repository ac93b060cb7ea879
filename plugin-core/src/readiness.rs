//! Gives back what a service has reserved in `poll_ready` for a call that is then not made.
//!
//! A service may reserve something in `poll_ready`, such as a permit of tower's `ConcurrencyLimit`, and uses it in the
//! `call` that follows. A layer above it that answers without calling it, as an open breaker does, leaves the reservation
//! where it is: in a clone that somebody keeps for the next call. Until then nobody else has it.
//!
//! **The rule.** A layer that answers in `call` without calling the service that it has polled ready says so with
//! [`unused`]. Whoever keeps a readied service beyond the call, as [`Slots`](crate::sync::Slots) and a retry do, calls it through
//! [`call`], which replaces it by a clone when somebody beneath has said so. The clone starts unreserved, and with the
//! service that it replaces its reservations are gone.
//!
//! - A mark is heard by the innermost keeper whose `call` is running on this thread, and goes no further: what was readied
//!   beneath that keeper is given back, and what is above it was used.
//! - A layer that calls its inner service more than once, or one of several, says nothing of its own. If one of those that
//!   it called refused, the keeper hears of it. A call of [`unused`] where everything was used costs one clone and nothing
//!   else; where it is missing, what was reserved stays taken until the next call.
//! - It is said in `call`. What a response future does later concerns nobody's readied service: a layer that waits does so
//!   in its future with a service of its own, and reserves nothing in `poll_ready`.
//! - A service that is called and then dropped, as with `oneshot`, needs no keeper.
//!
//! Nobody needs a bound for it: a layer that refuses does not clone, and a keeper can clone already. Without a mark it costs
//! two readings of a word of the thread's own.

use std::{cell::Cell, thread::panicking};

use tower_service::Service;

use crate::service;

thread_local! {
    /// Marks that nobody has heard yet. A count and not a flag, so that a keeper tells those that came during its call from
    /// older ones.
    static MARKS: Cell<u32> = const { Cell::new(0) };
}

/// Says that this `call` answers without calling the inner service, which was polled ready.
#[inline]
pub fn unused() {
    // A thread that is being torn down has no cell left, and nobody who listens.
    let _ = MARKS.try_with(|marks| marks.set(marks.get().wrapping_add(1)));
}

/// Calls a service that is kept for other calls, and replaces it when it was [not used](unused).
#[inline]
pub fn call<S, Req>(kept: &mut S, request: Req) -> S::Future
where
    S: Service<Req> + Clone,
{
    call_or(kept, request, S::clone)
}

/// Like [`call`], with a clone that `fresh` makes: of a service that was never polled, say.
#[inline]
pub fn call_or<S, Req>(kept: &mut S, request: Req, fresh: impl FnOnce(&S) -> S) -> S::Future
where
    S: Service<Req>,
{
    // Out of line, for the reason that `service::call` gives: the guard in there is something that must be undone.
    if service::is_large::<S::Future>() { call_apart(kept, request, fresh) } else { call_heard(kept, request, fresh) }
}

#[inline(never)]
fn call_apart<S, Req>(kept: &mut S, request: Req, fresh: impl FnOnce(&S) -> S) -> S::Future
where
    S: Service<Req>,
{
    call_heard(kept, request, fresh)
}

#[inline]
fn call_heard<S, Req>(kept: &mut S, request: Req, fresh: impl FnOnce(&S) -> S) -> S::Future
where
    S: Service<Req>,
{
    let before = MARKS.try_with(Cell::get).unwrap_or_default();
    let keeper = Keeper { kept, fresh: Some(fresh), before, unwinds: panicking() };
    keeper.kept.call(request)
}

/// Hears what is marked while it lives. A guard and not a look after the call: the future of the call is then written where it
/// stays, and not copied there.
struct Keeper<'a, S, F: FnOnce(&S) -> S> {
    kept: &'a mut S,
    fresh: Option<F>,
    before: u32,
    /// The thread panics already, so that this call is made by what is dropped meanwhile.
    unwinds: bool,
}

impl<S, F: FnOnce(&S) -> S> Drop for Keeper<'_, S, F> {
    #[inline]
    fn drop(&mut self) {
        if MARKS.try_with(Cell::get).unwrap_or_default() != self.before {
            self.replace();
        }
    }
}

impl<S, F: FnOnce(&S) -> S> Keeper<'_, S, F> {
    #[cold]
    fn replace(&mut self) {
        // What a keeper further out has marked for itself before this call stays.
        let _ = MARKS.try_with(|marks| marks.set(self.before));
        // Who keeps a service that has panicked knows what becomes of it.
        let has_panicked = !self.unwinds && panicking();
        if let Some(fresh) = self.fresh.take().filter(|_| !has_panicked) {
            *self.kept = fresh(self.kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        sync::Arc,
        task::{Context, Poll},
    };

    use super::*;

    /// Holds a share of its counter while it is ready, as a permit is held.
    #[derive(Default)]
    struct Reserving {
        counter: Arc<()>,
        held: Option<Arc<()>>,
    }

    impl Clone for Reserving {
        fn clone(&self) -> Self {
            Self { counter: Arc::clone(&self.counter), held: None }
        }
    }

    impl Service<()> for Reserving {
        type Response = ();
        type Error = Infallible;
        type Future = Ready<Result<(), Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.held.get_or_insert_with(|| Arc::clone(&self.counter));
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            self.held.take().expect("polled ready");
            ready(Ok(()))
        }
    }

    /// Does what it is told with a service that it has polled ready.
    #[derive(Clone)]
    struct Layered<F> {
        inner: Reserving,
        call: F,
    }

    impl<F: FnMut(&mut Reserving)> Service<()> for Layered<F> {
        type Response = ();
        type Error = Infallible;
        type Future = Ready<Result<(), Infallible>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.inner.poll_ready(cx)
        }

        fn call(&mut self, (): ()) -> Self::Future {
            (self.call)(&mut self.inner);
            ready(Ok(()))
        }
    }

    fn readied<F: FnMut(&mut Reserving) + Clone>(f: F) -> Layered<F> {
        let mut service = Layered { inner: Reserving::default(), call: f };
        let _ = service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!(reserved(&service.inner), 1);
        service
    }

    fn reserved(service: &Reserving) -> usize {
        Arc::strong_count(&service.counter) - 1
    }

    fn marked() -> bool {
        MARKS.replace(0) != 0
    }

    #[test]
    fn what_was_readied_and_refused_is_given_back_and_what_was_called_is_kept() {
        let mut refusing = readied(|_: &mut Reserving| unused());
        drop(call(&mut refusing, ()));
        assert_eq!(reserved(&refusing.inner), 0);

        let mut passing = readied(|inner: &mut Reserving| drop(inner.call(())));
        drop(call_or(&mut passing, (), |_| unreachable!("it was used")));
        assert_eq!(reserved(&passing.inner), 0);
        assert!(!marked());
    }

    #[test]
    fn a_mark_from_before_the_call_is_not_taken_for_one_of_it() {
        unused();
        let mut passing = readied(|inner: &mut Reserving| drop(inner.call(())));
        drop(call_or(&mut passing, (), |_| unreachable!("it was used")));
        assert!(marked());
    }

    #[test]
    fn the_innermost_keeper_hears_a_mark_and_those_further_out_do_not() {
        let mut outer = readied(|inner: &mut Reserving| {
            let mut kept = readied(|_: &mut Reserving| unused());
            drop(call(&mut kept, ()));
            assert_eq!(reserved(&kept.inner), 0);
            drop(inner.call(()));
        });
        drop(call_or(&mut outer, (), |_| unreachable!("it was used")));
        assert!(!marked());
    }

    #[test]
    fn a_mark_is_heard_whatever_other_calls_a_layer_makes_before_and_after() {
        let mut outer = readied(|_: &mut Reserving| {
            let mut kept = readied(|inner: &mut Reserving| drop(inner.call(())));
            drop(call(&mut kept, ()));
            unused();
            let mut kept = readied(|_: &mut Reserving| unused());
            drop(call(&mut kept, ()));
        });
        drop(call(&mut outer, ()));
        assert_eq!(reserved(&outer.inner), 0);
        assert!(!marked());
    }

    #[test]
    fn a_call_that_is_made_while_the_thread_unwinds_gives_back_what_is_not_used() {
        /// Tells somebody when it is dropped.
        struct Tells<F: FnMut()>(F);

        impl<F: FnMut()> Drop for Tells<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }

        let mut refusing = readied(|_: &mut Reserving| unused());
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _tells = Tells(|| drop(call(&mut refusing, ())));
            panic!("as it was told");
        }));
        assert!(unwound.is_err());
        assert_eq!(reserved(&refusing.inner), 0);
    }

    #[test]
    fn a_panic_in_a_call_leaves_nothing_that_a_later_call_would_hear() {
        let mut panicking = readied(|_: &mut Reserving| {
            unused();
            panic!("as it was told");
        });
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&mut panicking, ())));
        assert!(unwound.is_err());
        let mut passing = readied(|inner: &mut Reserving| drop(inner.call(())));
        drop(call_or(&mut passing, (), |_| unreachable!("it was used")));
    }
}
