//! Every interleaving of what hands wakes from one task to another:
//! `RUSTFLAGS="--cfg loom" cargo test -p plugin-transports --test loom --release`.
//!
//! The sources are taken in as they are, with loom's locks. Whoever waits for a wake that does not come is a deadlock, which loom
//! reports.
#![cfg(loom)]

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use loom::sync::Notify;

mod sync {
    pub(crate) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    };
}

#[path = "../src/listen/aside.rs"]
mod aside;
#[path = "loom/beside_a_connection.rs"]
mod beside_a_connection;
#[path = "loom/read_turn.rs"]
mod read_turn;
#[path = "../src/lines/client/turn.rs"]
mod turn;

/// A task that sleeps until it is woken.
struct Task(Notify);

impl Task {
    fn new() -> (Arc<Self>, Waker) {
        let task = Arc::new(Self(Notify::new()));
        (Arc::clone(&task), task.into())
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(check);
}
