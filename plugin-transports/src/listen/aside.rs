//! What a connection waits for beside its requests.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;

use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

pin_project! {
    /// A future that is polled when something has woken it, and not whenever its task is.
    ///
    /// A task that serves a connection is woken a few times for each request, and seldom by the end of the server or of its
    /// patience. Those share what they wait for with all connections: to poll them takes a lock that all have in common.
    pub(crate) struct Aside<F> {
        #[pin]
        future: F,
        woken: Arc<Woken>,
        waker: Waker,
        // The waker of the task as `woken` has it.
        task: Option<Waker>,
    }
}

/// Whether the future was woken since it was polled, and whom to tell.
#[derive(Debug)]
struct Woken {
    is_set: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl<F> Aside<F> {
    pub(crate) fn new(future: F) -> Self {
        // As if it had been woken: it is polled once to begin with.
        let woken = Arc::new(Woken { is_set: AtomicBool::new(true), task: Mutex::default() });
        Self { future, waker: Arc::clone(&woken).into(), woken, task: None }
    }
}

impl<F: Future> Future for Aside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *this.task = Some(cx.waker().clone());
            // The one before is dropped without the lock: that may do anything, as a wake may.
            let before = this.woken.task().replace(cx.waker().clone());
            drop(before);
        }
        // Acquire: what was done before the wake is seen by the poll. A wake that is not seen here finds the waker that was
        // handed over before.
        if !this.woken.is_set.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // One that comes from here on is for the next poll.
        this.woken.is_set.swap(false, Ordering::AcqRel);
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

impl Woken {
    /// Nothing can panic under it.
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: see `poll`.
        self.is_set.store(true, Ordering::Release);
        // It is kept, since the task may be woken by something else before it has taken note of this. And it is told without
        // the lock: who is told may do anything.
        let task = self.task().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{future::poll_fn, pin::pin, sync::atomic::AtomicUsize, thread};

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Debug, Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_at_first_and_then_when_it_was_woken() {
        let (polls, latest) = (AtomicUsize::new(0), Mutex::new(None::<Waker>));
        let mut aside = pin!(Aside::new(poll_fn(|cx| {
            *latest.lock().expect("no panic") = Some(cx.waker().clone());
            if polls.fetch_add(1, Ordering::Relaxed) < 2 { Poll::Pending } else { Poll::Ready(()) }
        })));
        let task = Arc::<Task>::default();
        let waker = Waker::from(Arc::clone(&task));
        let mut poll = || aside.as_mut().poll(&mut Context::from_waker(&waker));
        let wake = || latest.lock().expect("no panic").clone().expect("it was polled").wake();
        for _ in 0..3 {
            assert!(poll().is_pending());
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(poll().is_pending() && poll().is_pending());
        assert_eq!(polls.load(Ordering::Relaxed), 2);
        wake();
        assert!(poll().is_ready());
        assert_eq!((polls.load(Ordering::Relaxed), task.0.load(Ordering::Relaxed)), (3, 2));
    }

    #[test]
    fn the_task_that_polled_it_last_is_the_one_that_is_woken() {
        let (tell, told) = oneshot::channel::<()>();
        let mut aside = pin!(Aside::new(told));
        let [first, second] = [(); 2].map(|()| Arc::<Task>::default());
        for task in [&first, &second, &second] {
            let waker = Waker::from(Arc::clone(task));
            assert!(aside.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        tell.send(()).expect("it waits");
        assert_eq!([&first, &second].map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wake_that_comes_while_the_task_runs_is_not_lost() {
        for _ in 0..2_000 {
            let (tell, told) = oneshot::channel::<()>();
            let other = thread::spawn(move || tell.send(()));
            // Something else wakes the task all the while.
            let mut aside = pin!(Aside::new(told));
            let mut spins = 0;
            poll_fn(|cx| {
                let polled = aside.as_mut().poll(cx);
                spins += 1;
                if spins < 10 {
                    cx.waker().wake_by_ref();
                }
                polled
            })
            .await
            .expect("it was told");
            other.join().expect("no panic").expect("it waited");
        }
    }
}
