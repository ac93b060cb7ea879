//! Holds calls at the server until it is told to let them go.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by a server, whose calls pass it, and by who measures.
#[derive(Clone)]
pub(super) struct Gate(Arc<State>);

struct State {
    open: watch::Sender<bool>,
    /// Calls that stand before it.
    waiting: watch::Sender<usize>,
}

impl Gate {
    /// One that is open.
    pub(super) fn new() -> Self {
        Self(Arc::new(State { open: watch::Sender::new(true), waiting: watch::Sender::new(0) }))
    }

    pub(super) fn close(&self) {
        self.0.open.send_replace(false);
    }

    pub(super) fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Waits until so many calls stand before it.
    pub(super) async fn until_waiting(&self, calls: usize) {
        let mut waiting = self.0.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting == calls).await.expect("the gate is there");
    }

    /// Goes through, at once where it is open.
    pub(super) async fn pass(&self) {
        self.0.waiting.send_modify(|waiting| *waiting += 1);
        self.0.open.subscribe().wait_for(|open| *open).await.expect("the gate is there");
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_stand_before_a_closed_gate_and_go_when_it_opens() {
        let gate = Gate::new();
        gate.pass().await;
        gate.close();
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.pass().await })
            })
            .collect();
        gate.until_waiting(3).await;
        assert!(calls.iter().all(|call| !call.is_finished()));
        gate.open();
        for call in calls {
            call.await.unwrap();
        }
        gate.until_waiting(0).await;
    }
}
