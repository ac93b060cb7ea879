//! What a task waits for beside its work, which is looked at when it has woken the task, and not whenever something else has.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled when it has woken its task. For timers and signals beside a connection: to ask all of them takes longer
    /// than much of what wakes a connection.
    pub(super) struct WhenWoken<F> {
        #[pin]
        inner: F,
        state: Arc<WakeState>,
        // That of `state`.
        waker: Waker,
        // The task as `state` knows it, so that it need not be told again who that is.
        task: Option<Waker>,
    }
}

struct WakeState {
    is_woken: AtomicBool,
    /// Who polls it. It stays here when it is woken, so that a wake that is late takes nothing from the next one.
    task: Mutex<Option<Waker>>,
}

impl Wake for WakeState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release, before the task is told: it sees this when it looks.
        self.is_woken.store(true, Ordering::Release);
        // Whatever the task does when it is woken, it does not do it under the lock.
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<F> WhenWoken<F> {
    pub(super) fn new(inner: F) -> Self {
        // So that it is polled for the first time.
        let state = Arc::new(WakeState { is_woken: AtomicBool::new(true), task: Mutex::default() });
        Self { inner, waker: Waker::from(Arc::clone(&state)), state, task: None }
    }
}

impl<F: Future> Future for WhenWoken<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let me = self.project();
        if !me.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *me.state.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            *me.task = Some(cx.waker().clone());
        }
        // Acquire, behind the waker: who did not find that has set this before, and the lock makes it seen.
        if !me.state.is_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before the poll: what comes during it is for the next one. AcqRel: what was written before it is seen in the poll.
        me.state.is_woken.swap(false, Ordering::AcqRel);
        me.inner.poll(&mut Context::from_waker(me.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize, time::Duration};

    use tokio::{sync::Notify, task::yield_now, time::sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_polled_when_it_has_woken_the_task_and_not_when_others_have() {
        let polls = AtomicUsize::new(0);
        let mut timer = std::pin::pin!(sleep(Duration::from_secs(1)));
        let counted = poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            timer.as_mut().poll(cx)
        });
        let mut counted = std::pin::pin!(WhenWoken::new(counted));
        for _ in 0..10 {
            tokio::select! {
                biased;
                () = counted.as_mut() => panic!("it is not time yet"),
                () = yield_now() => {}
            }
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        counted.await;
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_wakes_the_task_that_polls_it_now() {
        let told = Arc::new(Notify::new());
        let heard = Arc::clone(&told);
        let mut waits = Box::pin(WhenWoken::new(async move { heard.notified().await }));
        assert!(std::future::poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx))).await.is_pending());
        let other = tokio::spawn(waits);
        yield_now().await;
        told.notify_one();
        other.await.expect("it hears of it");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn none_is_lost_that_comes_from_another_thread() {
        for _ in 0..2000 {
            let told = Arc::new(Notify::new());
            let tells = Arc::clone(&told);
            let teller = tokio::spawn(async move {
                for _ in 0..3 {
                    tells.notify_one();
                    yield_now().await;
                }
            });
            WhenWoken::new(told.notified()).await;
            teller.await.expect("no panic");
        }
    }
}
