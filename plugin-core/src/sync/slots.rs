//! Calling a stack that many threads share, without cloning it for every call.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{Mutex, TryLockError},
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    polled_after_end, readiness,
    sync::{Pad, stripe, stripe_count},
};

/// One ready-made clone of a stack per stripe of threads.
///
/// A `tower` service is called through `&mut self`, so a table that all threads read would have to clone the stack for
/// each call. Here a thread takes the lock of its own stripe's clone, which is free unless a thread of the same stripe
/// is in `call` at this moment; then a fresh clone serves. The lock is never held while a future is awaited.
///
/// A stack may reserve something in `poll_ready`, such as a permit, and then refuse the request in an outer layer's `call`.
/// A layer of this family [says so](readiness), and the clone in the slot is replaced: what it had reserved is free again
/// before the caller has its refusal.
pub struct Slots<S> {
    prototype: S,
    slots: Box<[Pad<Mutex<S>>]>,
}

impl<S: Clone> Slots<S> {
    /// Slots for this stack. The stack itself is kept unpolled, to be cloned from.
    #[must_use]
    pub fn new(stack: S) -> Self {
        let slots = (0..stripe_count()).map(|_| Pad(Mutex::new(stack.clone()))).collect();
        Self { prototype: stack, slots }
    }

    /// The stack that the slots were made from.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.prototype
    }

    /// Calls the stack. `slots` is any owner or borrower of the slots, such as a reference, an `Arc` or a
    /// [`Lease`](crate::sync::Lease). Nothing happens before the first poll; dropping the future drops the call.
    pub fn call<P, Req>(slots: P, request: Req) -> SlotCall<P, S, Req>
    where
        P: Deref<Target = Self>,
        S: Service<Req>,
    {
        SlotCall { slots, state: SlotCallState::Start { request: Some(request) } }
    }

    /// Polls this stripe's clone, and makes one value of what comes of it: of the ready service, which `called` calls with the
    /// request, or of a request that was not sent. It is what [`call`](Self::call) does first, for a caller that wants the request
    /// back when the stack is not ready.
    ///
    /// `called` runs where nothing must be undone when the call panics. What it makes of the future is then written once, where
    /// it stays, and not copied there.
    pub fn start<Req, T>(
        &self,
        request: Req,
        cx: &mut Context<'_>,
        called: impl FnOnce(ReadySlot<'_, S>, Req) -> T,
        not_called: impl FnOnce(NotCalled<S, Req>) -> T,
    ) -> T
    where
        S: Service<Req>,
    {
        let mut slot = match self.slots[stripe()].0.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => {
                // A panic inside `poll_ready` or `call`: that clone may be in any state, so it is replaced.
                let mut slot = poisoned.into_inner();
                *slot = self.prototype.clone();
                self.slots[stripe()].0.clear_poison();
                slot
            }
            Err(TryLockError::WouldBlock) => return not_called(NotCalled::Wait(self.prototype.clone(), request)),
        };
        match slot.poll_ready(cx) {
            Poll::Ready(Ok(())) => called(ReadySlot { service: &mut slot, prototype: &self.prototype }, request),
            Poll::Ready(Err(error)) => {
                // A service that failed its readiness is not used again, as its contract says.
                *slot = self.prototype.clone();
                not_called(NotCalled::Failed(error, request))
            }
            // A waiting clone that stayed in the slot would take the wake-ups of all who come after it.
            Poll::Pending => {
                let waiting = std::mem::replace(&mut *slot, self.prototype.clone());
                not_called(NotCalled::Wait(waiting, request))
            }
        }
    }
}

/// A clone in its slot that is ready for one call.
#[must_use = "what it has reserved is used by the call that it is ready for"]
pub struct ReadySlot<'a, S> {
    service: &'a mut S,
    prototype: &'a S,
}

impl<S: Clone> ReadySlot<'_, S> {
    /// Makes the call.
    #[inline]
    pub fn call<Req>(self, request: Req) -> S::Future
    where
        S: Service<Req>,
    {
        readiness::call_or(self.service, request, |_| self.prototype.clone())
    }
}

impl<S> fmt::Debug for ReadySlot<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadySlot").finish_non_exhaustive()
    }
}

/// Why [`Slots::start`] has not called.
pub enum NotCalled<S: Service<Req>, Req> {
    /// The stack failed its readiness.
    Failed(S::Error, Req),
    /// Poll this service until it is ready, then call it with the request. It may have the caller's waker already.
    Wait(S, Req),
}

impl<S: Service<Req>, Req> fmt::Debug for NotCalled<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(..) => "Failed(..)",
            Self::Wait(..) => "Wait(..)",
        })
    }
}

impl<S: fmt::Debug> fmt::Debug for Slots<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("prototype", &self.prototype).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Slots::call`].
    pub struct SlotCall<P, S: Service<Req>, Req> {
        slots: P,
        #[pin]
        state: SlotCallState<S, Req, S::Future, S::Error>,
    }
}

pin_project! {
    #[project = StateProject]
    enum SlotCallState<S, Req, F, E> {
        Start { request: Option<Req> },
        Waiting { service: S, request: Option<Req> },
        Called { #[pin] future: F },
        NotReady { error: Option<E> },
        Ended,
    }
}

impl<P, S: Service<Req>, Req> SlotCall<P, S, Req> {
    /// What was given as the owner of the slots.
    #[must_use]
    pub fn owner(&self) -> &P {
        &self.slots
    }
}

impl<P, S: Service<Req>, Req> fmt::Debug for SlotCall<P, S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotCall").finish_non_exhaustive()
    }
}

/// Also when it has panicked: the request is gone.
fn polled_again() -> ! {
    polled_after_end("plugin_core::sync::SlotCall")
}

impl<P, S, Req> Future for SlotCall<P, S, Req>
where
    P: Deref<Target = Slots<S>>,
    S: Service<Req> + Clone,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProject::Called { future } => {
                    let result = ready!(future.poll(cx));
                    this.state.set(SlotCallState::Ended);
                    return Poll::Ready(result);
                }
                StateProject::Start { request } => {
                    let request = request.take().unwrap_or_else(|| polled_again());
                    this.slots.start(
                        request,
                        cx,
                        |ready, request| SlotCallState::Called { future: ready.call(request) },
                        |why| match why {
                            NotCalled::Failed(error, _) => SlotCallState::NotReady { error: Some(error) },
                            NotCalled::Wait(service, request) => {
                                SlotCallState::Waiting { service, request: Some(request) }
                            }
                        },
                    )
                }
                StateProject::NotReady { error } => {
                    let error = error.take().unwrap_or_else(|| polled_again());
                    this.state.set(SlotCallState::Ended);
                    return Poll::Ready(Err(error));
                }
                StateProject::Waiting { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        this.state.set(SlotCallState::Ended);
                        return Poll::Ready(Err(error));
                    }
                    SlotCallState::Called { future: service.call(request.take().unwrap_or_else(|| polled_again())) }
                }
                StateProject::Ended => polled_again(),
            };
            this.state.set(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio_test::{assert_pending, assert_ready_ok, task};

    use super::*;

    #[tokio::test]
    async fn a_service_that_waits_does_not_block_those_behind_it() {
        let (mock, mut handle) = tower_test::mock::pair::<&str, &str>();
        let slots = Slots::new(mock);
        handle.allow(0);
        let mut first = task::spawn(Slots::call(&slots, "first"));
        assert_pending!(first.poll());
        let mut second = task::spawn(Slots::call(&slots, "second"));
        assert_pending!(second.poll());
        drop(first);
        handle.allow(1);
        assert!(second.is_woken(), "the one who still waits is woken");
        assert_pending!(second.poll());
        let (request, respond) = handle.next_request().await.expect("a request");
        respond.send_response("answer");
        assert_eq!(request, "second");
        assert_eq!(assert_ready_ok!(second.poll()), "answer");
    }

    #[derive(Clone)]
    struct Fragile {
        clones: Arc<AtomicUsize>,
        calls: usize,
    }

    impl Service<bool> for Fragile {
        type Response = usize;
        type Error = Infallible;
        type Future = Ready<Result<usize, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, panic: bool) -> Self::Future {
            self.calls += 1;
            assert!(!panic, "asked to");
            ready(Ok(self.calls))
        }
    }

    #[test]
    fn a_panic_in_call_replaces_the_clone_and_wedges_nothing() {
        let slots = Slots::new(Fragile { clones: Arc::default(), calls: 0 });
        let call = |panic| task::spawn(Slots::call(&slots, panic)).poll();
        assert_eq!(assert_ready_ok!(call(false)), 1);
        assert_eq!(assert_ready_ok!(call(false)), 2, "the same clone serves a thread");
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(true)));
        assert!(unwound.is_err());
        assert_eq!(assert_ready_ok!(call(false)), 1, "a fresh clone");
        assert_eq!(assert_ready_ok!(call(false)), 2, "which stays");
        assert_eq!(slots.get_ref().clones.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_call_takes_the_lock_of_its_own_stripe_and_waits_for_none() {
        let slots = Slots::new(Fragile { clones: Arc::default(), calls: 0 });
        let call = || assert_ready_ok!(task::spawn(Slots::call(&slots, false)).poll());
        crate::sync::on_another_stripe(|| {
            let own = stripe();
            let others = slots.slots.iter().enumerate().filter(|(index, _)| *index != own);
            let held: Vec<_> = others.map(|(_, slot)| slot.0.try_lock().expect("free")).collect();
            assert_eq!([call(), call()], [1, 2], "served by this stripe's clone");
            drop(held);
        });
        let _held = slots.slots[stripe()].0.try_lock().expect("free");
        assert_eq!([call(), call()], [1, 1], "a lock that is taken is not waited for: a fresh clone serves");
    }

    #[derive(Clone)]
    struct Reentrant(Arc<std::sync::OnceLock<Arc<Slots<Reentrant>>>>);

    impl Service<u32> for Reentrant {
        type Response = u32;
        type Error = Infallible;
        type Future = Ready<Result<u32, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, depth: u32) -> Self::Future {
            if depth == 0 {
                return ready(Ok(0));
            }
            let own = self.0.get().expect("set below").clone();
            let inner = assert_ready_ok!(task::spawn(Slots::call(own, depth - 1)).poll());
            ready(Ok(inner + 1))
        }
    }

    #[test]
    fn a_stack_may_call_itself() {
        let cell = Arc::new(std::sync::OnceLock::new());
        let slots = Arc::new(Slots::new(Reentrant(Arc::clone(&cell))));
        assert!(cell.set(Arc::clone(&slots)).is_ok());
        assert_eq!(assert_ready_ok!(task::spawn(Slots::call(slots, 5)).poll()), 5);
    }
}
