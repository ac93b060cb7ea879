//! The connection that all limits of an instance share: who decides, and what is told of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use plugin_core::clock::{self, Instant};
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
    time,
};

use super::{
    AwayReason, RedisConfig, SharedEvent, SharedMode,
    connection::Connection,
    events,
    fault::Fault,
    instance::Instance,
    mode::{Change, Machine},
    replicas::Replicas,
    script::{Answer, Question},
};
use crate::{
    gcra::Limit,
    sync::{Mutex, lock},
};

/// Shared by the buckets of a store. When the last of them is gone, the keeper says good-bye to Redis and ends.
pub(super) struct Link {
    pub(super) config: RedisConfig,
    pub(super) me: Instance,
    state: Mutex<State>,
    /// The mode, for those who ask and those who wait.
    mode: watch::Sender<SharedMode>,
    replicas: AtomicU32,
    /// The moment of the last answer.
    answered: AtomicU64,
    events: broadcast::Sender<SharedEvent>,
    /// The task that keeps the connection.
    pub(super) keeper: Mutex<Option<JoinHandle<()>>>,
    /// Wakes the keeper.
    pub(super) wake: Arc<Notify>,
}

struct State {
    machine: Machine,
    connection: Option<Connection>,
    /// Counts the connections, so that a late fault of an old one is not told of the present.
    epoch: u64,
    replicas: Replicas,
    /// A key that Redis could not decide on. In a cluster another key may say nothing of it.
    suspect: Option<String>,
    told: u64,
}

/// What is known of the connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedStatus {
    /// Who decides.
    pub mode: SharedMode,
    /// Since when.
    pub since: Instant,
    /// Why Redis is away; `None` while it decides.
    pub reason: Option<AwayReason>,
    /// The instances that a share is counted for.
    pub replicas: u32,
}

impl Link {
    pub(super) fn new(config: RedisConfig) -> Arc<Self> {
        let now = clock::now();
        let state = State {
            machine: Machine::new(now),
            connection: None,
            epoch: 0,
            replicas: Replicas::default(),
            suspect: None,
            told: 0,
        };
        Arc::new(Self {
            me: Instance::new(config.prefix()),
            replicas: AtomicU32::new(Replicas::default().count(config.expected_replicas)),
            config,
            state: Mutex::new(state),
            mode: watch::Sender::new(SharedMode::Connecting),
            answered: AtomicU64::new(0),
            events: broadcast::Sender::new(events::KEPT),
            keeper: Mutex::new(None),
            wake: Arc::default(),
        })
    }

    pub(super) fn mode(&self) -> SharedMode {
        *self.mode.borrow()
    }

    pub(super) fn status(&self) -> SharedStatus {
        let state = lock(&self.state);
        let mode = state.machine.mode();
        let reason = state.machine.reason().filter(|_| mode == SharedMode::Local).cloned();
        SharedStatus { mode, since: state.machine.since(), reason, replicas: self.replicas() }
    }

    /// The instances that a share is counted for.
    pub(super) fn replicas(&self) -> u32 {
        // Relaxed: a number by itself.
        self.replicas.load(Ordering::Relaxed)
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<SharedEvent> {
        self.events.subscribe()
    }

    /// Waits until Redis decides.
    pub(super) async fn until_shared(&self) {
        // The sender is here, so it is not closed.
        let _ = self.mode.subscribe().wait_for(|mode| *mode == SharedMode::Shared).await;
    }

    /// Waits until the first connection is made, or is known not to be.
    pub(super) async fn until_decided(&self) {
        let _ = self.mode.subscribe().wait_for(|mode| *mode != SharedMode::Connecting).await;
    }

    /// Asks Redis, until `deadline`. Says also when the question was sent.
    pub(super) async fn ask(
        &self,
        question: Question,
        key: &str,
        limit: Limit,
        deadline: time::Instant,
    ) -> Result<(Answer, u64), Fault> {
        if self.mode() == SharedMode::Connecting && time::timeout_at(deadline, self.until_decided()).await.is_err() {
            return Err(Fault::Slow);
        }
        let Some((epoch, mut connection)) = self.usable() else { return Err(Fault::Slow) };
        let sent = clock::now();
        match time::timeout_at(deadline, question.ask(&mut connection, key, limit)).await {
            Ok(Ok(answer)) => {
                self.heard();
                Ok((answer, sent.as_nanos()))
            }
            Ok(Err(error)) => Err(self.judge(Fault::from(&error), epoch, key)),
            Err(_) => Err(self.judge(self.late(sent), epoch, key)),
        }
    }

    /// What it says that an answer has not come in time. Where others have come since it was asked for, the server is there.
    /// A question that had little of the time left says nothing either.
    pub(super) fn late(&self, sent: Instant) -> Fault {
        // Relaxed: a moment that is not seen yet costs one change of mode.
        let is_heard = self.answered.load(Ordering::Relaxed) >= sent.as_nanos();
        let had_time = clock::now().saturating_since(sent) >= self.config.timeout / 2;
        if is_heard || !had_time { Fault::Slow } else { Fault::Away(AwayReason::TimedOut) }
    }

    fn judge(&self, fault: Fault, epoch: u64, key: &str) -> Fault {
        if let Fault::Away(reason) = &fault {
            self.failed(reason.clone(), epoch, Some(key));
        }
        fault
    }

    pub(super) fn heard(&self) {
        self.answered.fetch_max(clock::now().as_nanos(), Ordering::Relaxed);
    }

    /// The connection, while Redis decides.
    fn usable(&self) -> Option<(u64, Connection)> {
        let state = lock(&self.state);
        let connection = state.connection.clone().filter(|_| state.machine.mode() == SharedMode::Shared);
        connection.map(|connection| (state.epoch, connection))
    }

    /// The connection, for the keeper.
    pub(super) fn connection(&self) -> Option<(u64, Connection)> {
        let state = lock(&self.state);
        state.connection.clone().map(|connection| (state.epoch, connection))
    }

    /// A connection was made.
    pub(super) fn connected(&self, connection: &Connection) -> u64 {
        let mut state = lock(&self.state);
        state.connection = Some(connection.clone());
        state.epoch += 1;
        state.epoch
    }

    pub(super) fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    pub(super) fn suspect(&self) -> Option<String> {
        lock(&self.state).suspect.clone()
    }

    /// No connection could be made, or that with this number has failed.
    pub(super) fn failed(&self, reason: AwayReason, epoch: u64, key: Option<&str>) {
        let now = clock::now();
        let mut state = lock(&self.state);
        if state.epoch != epoch {
            return;
        }
        // What failed is not used again: it may be that of a server which is a replica now, or of a path that is cut.
        let connection = state.connection.take();
        state.epoch += 1;
        if let Some(key) = key {
            state.suspect = Some(key.to_owned());
        }
        let change = state.machine.failed(reason, now);
        self.tell(&mut state, change, now);
        drop(state);
        drop(connection);
        self.wake.notify_one();
    }

    /// The keeper had an answer over this connection, and so many instances are there.
    pub(super) fn looked_after(&self, replicas: u32, epoch: u64) {
        let now = clock::now();
        let mut state = lock(&self.state);
        if state.epoch != epoch {
            return;
        }
        state.suspect = None;
        state.replicas.heard(replicas);
        self.replicas.store(state.replicas.count(self.config.expected_replicas), Ordering::Relaxed);
        let change = state.machine.answered(self.config.recover_after, now);
        self.tell(&mut state, change, now);
    }

    /// Under the lock, so that events are told in order. Nothing of anybody else runs here.
    fn tell(&self, state: &mut State, change: Option<Change>, now: Instant) {
        let Some(Change { from, to, reason }) = change else { return };
        state.told += 1;
        // Nobody may be listening.
        let _ = self.events.send(SharedEvent { sequence: state.told, at: now, from, to, reason });
        self.mode.send_replace(to);
    }

    /// The time from a heartbeat to the next, while there is no fault.
    pub(super) fn pace(&self) -> Duration {
        match self.mode() {
            SharedMode::Local => (self.config.recover_after / 4).clamp(SHORTEST, self.config.heartbeat.max(SHORTEST)),
            _ => self.config.heartbeat,
        }
    }
}

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(10);

impl Drop for Link {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("config", &self.config).field("status", &self.status()).finish_non_exhaustive()
    }
}
