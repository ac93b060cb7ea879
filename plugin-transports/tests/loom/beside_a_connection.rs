//! A connection's task, what stands beside it, and something else that wakes the task all the while.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use loom::thread;

use super::{Task, aside::Aside, model, sync::Mutex};

/// What is complete when it was told twice, and is woken each time.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(usize, Option<Waker>)>>);

impl Told {
    fn tell(&self) {
        let mut state = self.0.lock().expect("sound");
        state.0 += 1;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Told {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().expect("sound");
        state.1 = Some(cx.waker().clone());
        if state.0 == 2 { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn is_pending(aside: &mut Pin<Box<Aside<Told>>>, waker: &Waker) -> bool {
    aside.as_mut().poll(&mut Context::from_waker(waker)).is_pending()
}

#[test]
fn what_is_told_reaches_the_task_whatever_else_wakes_it() {
    model(|| {
        let told = Told::default();
        let mut aside = Box::pin(Aside::new(told.clone()));
        let (task, waker) = Task::new();
        let other = Arc::clone(&task);
        let teller = thread::spawn(move || (0..2).for_each(|_| told.tell()));
        let others = [teller, thread::spawn(move || other.0.notify())];
        while is_pending(&mut aside, &waker) {
            task.0.wait();
        }
        others.into_iter().for_each(|other| other.join().expect("no panic"));
    });
}

#[test]
fn what_is_told_while_the_connection_moves_to_another_task_reaches_that() {
    model(|| {
        let told = Told::default();
        let mut aside = Box::pin(Aside::new(told.clone()));
        let (_, before) = Task::new();
        let (task, waker) = Task::new();
        let teller = thread::spawn(move || (0..2).for_each(|_| told.tell()));
        if is_pending(&mut aside, &before) {
            while is_pending(&mut aside, &waker) {
                task.0.wait();
            }
        }
        teller.join().expect("no panic");
    });
}
