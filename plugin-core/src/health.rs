//! The health of a plugin, and the cell that checks write and everybody else reads.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    Code,
    clock::{self, Instant},
    rounded,
};

/// The five states of health, from nothing known to given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[repr(u8)]
pub enum HealthState {
    /// No check has finished yet.
    #[default]
    Unknown = 0,
    /// The last checks passed.
    Healthy = 1,
    /// It works, and says that something is wrong.
    Degraded = 2,
    /// The last check failed, and fewer in a row than the limit.
    Unhealthy = 3,
    /// As many checks as the limit failed in a row.
    Offline = 4,
}

impl HealthState {
    /// The state's name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Offline => "offline",
        }
    }

    /// Healthy or degraded: calls may be expected to succeed.
    #[must_use]
    pub const fn is_serving(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }

    const fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Healthy,
            2 => Self::Degraded,
            3 => Self::Unhealthy,
            4 => Self::Offline,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of a health check.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HealthStatus {
    /// The state.
    pub state: HealthState,
    /// A text that says what is wrong; empty when nothing is.
    pub message: String,
    /// When the check finished.
    pub last_check: Option<SystemTime>,
    /// How long the check took.
    pub response_time: Duration,
    /// What the plugin said besides.
    pub metadata: BTreeMap<String, String>,
    /// The check was not made.
    not_made: bool,
}

impl HealthStatus {
    /// A status with this state and message.
    #[must_use]
    pub fn new(state: HealthState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), ..Self::default() }
    }

    /// A good status, without a message.
    #[must_use]
    pub fn healthy() -> Self {
        Self::new(HealthState::Healthy, "")
    }

    /// It works, but not as it should: a balancer prefers others, and a gate lets calls through.
    #[must_use]
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new(HealthState::Degraded, message)
    }

    /// It does not work, and `message` says why. A check that hears it often enough in a row makes it
    /// [`Offline`](HealthState::Offline).
    #[must_use]
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new(HealthState::Unhealthy, message)
    }

    /// The check could not be made, and `message` says why: all places for one were taken, say. It tells nothing of what was
    /// to be checked, so a health check counts it neither as good nor as failed, and the status stays as it was.
    #[must_use]
    pub fn not_checked(message: impl Into<String>) -> Self {
        Self { not_made: true, ..Self::new(HealthState::Unknown, message) }
    }

    /// Whether the check [could not be made](Self::not_checked).
    #[must_use]
    pub const fn is_not_checked(&self) -> bool {
        self.not_made
    }

    /// What a check came to that had this long and took so long; `None`: it was given up. One that took longer is not
    /// healthy, whatever it reported: a probe that blocks its thread cannot be stopped, and is late all the same.
    #[must_use]
    pub fn within(limit: Duration, reported: Option<Self>, took: Duration) -> Self {
        let in_time = reported.filter(|_| took <= limit);
        let status = in_time.unwrap_or_else(|| {
            let message =
                format!("the health check did not answer within {} ({})", rounded(limit), Code::HealthTimeout);
            Self::unhealthy(message)
        });
        status.with_response_time(took)
    }

    /// Adds when the check finished.
    #[must_use]
    pub fn with_last_check(mut self, at: SystemTime) -> Self {
        self.last_check = Some(at);
        self
    }

    /// Adds how long the check took.
    #[must_use]
    pub fn with_response_time(mut self, took: Duration) -> Self {
        self.response_time = took;
        self
    }

    /// Adds what the plugin said besides.
    #[must_use]
    pub fn with_metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }
}

/// The present health of one thing: written by whoever checks it, read by gates and balancers on every call.
///
/// Reading the state is one relaxed load. Waiting for a change goes through [`HealthCell::watch`].
///
/// Who owns what is checked may know better than any check: a supervisor knows that its process is down. It
/// [holds](Self::hold) the cell meanwhile, and what checks say is not heard until it [lets go](Self::release).
///
/// ```
/// use plugin_core::{HealthCell, HealthState, HealthStatus};
///
/// let cell = HealthCell::default();
/// assert_eq!(cell.state(), HealthState::Unknown);
/// cell.set(HealthStatus::degraded("one replica of three"));
/// assert!(cell.state().is_serving());
/// assert_eq!(cell.status().message, "one replica of three");
/// ```
#[derive(Debug)]
pub struct HealthCell {
    /// The state, and [`HELD`].
    state: AtomicU8,
    /// When the next check is due, in nanoseconds; 0 when that is not known.
    next_check: AtomicU64,
    /// When the state began, in nanoseconds of the clock.
    since: AtomicU64,
    status: watch::Sender<HealthStatus>,
}

/// How often a state has changed, of all cells. Written as rarely as one changes, so that reading it is one load of a line that all
/// processors have.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The bit beside the state that says that the cell is held.
const HELD: u8 = 1 << 7;

impl HealthCell {
    /// A cell in this state.
    #[must_use]
    pub fn new(status: HealthStatus) -> Self {
        Self {
            state: AtomicU8::new(status.state as u8),
            next_check: AtomicU64::new(0),
            since: AtomicU64::new(clock::now().as_nanos()),
            status: watch::Sender::new(status),
        }
    }

    /// The state.
    #[must_use]
    #[inline]
    pub fn state(&self) -> HealthState {
        // Relaxed: a call that reads the state of a moment ago behaves as if it had come a moment earlier.
        HealthState::from_u8(self.state.load(Ordering::Relaxed) & !HELD)
    }

    /// When the state began: the check or the owner that changed it, or the making of the cell.
    #[must_use]
    pub fn since(&self) -> Instant {
        // Relaxed: see `state`.
        Instant::from_nanos(self.since.load(Ordering::Relaxed))
    }

    /// Whether somebody [holds](Self::hold) it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        // Relaxed: see `state`.
        self.state.load(Ordering::Relaxed) & HELD != 0
    }

    /// The whole status.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.status.borrow().clone()
    }

    /// When it is checked next, and may change: what a caller who is refused is told to wait for.
    #[must_use]
    pub fn next_check(&self) -> Option<Instant> {
        // Relaxed: see `state`.
        Some(self.next_check.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Instant::from_nanos)
    }

    /// Says when it is checked next; `None` when nobody knows.
    pub fn set_next_check(&self, at: Option<Instant>) {
        self.next_check.store(at.map_or(0, Instant::as_nanos), Ordering::Relaxed);
    }

    /// Replaces the status and wakes who watches. While the cell is [held](Self::hold) nothing happens.
    pub fn set(&self, status: HealthStatus) {
        self.status.send_if_modified(|present| {
            // Relaxed, under the lock of the channel: two writers leave the word and the status in agreement.
            if self.state.load(Ordering::Relaxed) & HELD != 0 {
                return false;
            }
            self.store(status, present, 0);
            true
        });
    }

    /// Replaces the status, and keeps it against every [`set`](Self::set) until [`release`](Self::release).
    pub fn hold(&self, status: HealthStatus) {
        self.write(status, HELD);
    }

    /// Replaces the status, and lets checks replace it again.
    pub fn release(&self, status: HealthStatus) {
        self.write(status, 0);
    }

    fn write(&self, status: HealthStatus, held: u8) {
        self.status.send_modify(|present| {
            self.store(status, present, held);
        });
    }

    /// Writes the words and the status, under the lock of the channel.
    fn store(&self, status: HealthStatus, present: &mut HealthStatus, held: u8) {
        if status.state != present.state {
            self.since.store(clock::now().as_nanos(), Ordering::Relaxed);
        }
        // Relaxed: see `set`.
        self.state.store(status.state as u8 | held, Ordering::Relaxed);
        if status.state != present.state {
            // Release: see `generation`.
            CHANGES.fetch_add(1, Ordering::Release);
        }
        *present = status;
    }

    /// How often the state of any cell of this process has changed. Whoever counts how many of his cells are up counts again when this
    /// is another number, and not in each call.
    ///
    /// ```
    /// use plugin_core::{HealthCell, HealthStatus};
    ///
    /// let cell = HealthCell::default();
    /// let before = HealthCell::generation();
    /// cell.set(HealthStatus::healthy());
    /// assert_ne!(HealthCell::generation(), before);
    /// ```
    #[must_use]
    #[inline]
    pub fn generation() -> u64 {
        // Acquire, with the Release of `store`: who sees the number sees the state that it was counted for.
        CHANGES.load(Ordering::Acquire)
    }

    /// Follows the status. A reader that is slow sees the newest status and may miss those between.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<HealthStatus> {
        self.status.subscribe()
    }
}

impl Default for HealthCell {
    fn default() -> Self {
        Self::new(HealthStatus::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_in_the_word_the_status_and_the_watch() {
        let cell = HealthCell::default();
        let mut watch = cell.watch();
        cell.set(HealthStatus::new(HealthState::Offline, "three checks failed"));
        assert_eq!(cell.state(), HealthState::Offline);
        watch.changed().await.expect("the cell lives");
        assert_eq!(watch.borrow().message, "three checks failed");
    }

    #[test]
    fn when_it_is_checked_next_is_known_once_somebody_says_so() {
        let cell = HealthCell::default();
        assert_eq!(cell.next_check(), None);
        cell.set_next_check(Some(Instant::from_nanos(7)));
        assert_eq!(cell.next_check(), Some(Instant::from_nanos(7)));
        cell.set_next_check(None);
        assert_eq!(cell.next_check(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_began_when_it_changed_and_not_when_it_was_last_said() {
        let cell = HealthCell::default();
        let made = cell.since();
        tokio::time::advance(Duration::from_secs(3)).await;
        cell.set(HealthStatus::unhealthy("no answer"));
        let fell = cell.since();
        assert_eq!(fell.saturating_since(made), Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(3)).await;
        cell.set(HealthStatus::unhealthy("no answer yet"));
        assert_eq!(cell.since(), fell);
        cell.hold(HealthStatus::new(HealthState::Offline, "the process died"));
        assert_eq!(cell.since().saturating_since(fell), Duration::from_secs(3));
    }

    #[test]
    fn what_the_owner_knows_stands_against_every_check_until_it_lets_go() {
        let cell = HealthCell::default();
        cell.hold(HealthStatus::new(HealthState::Offline, "the process failed"));
        cell.set(HealthStatus::healthy());
        assert_eq!(
            (cell.state(), cell.status().state, cell.is_held()),
            (HealthState::Offline, HealthState::Offline, true)
        );
        cell.release(HealthStatus::healthy());
        assert_eq!((cell.state(), cell.is_held()), (HealthState::Healthy, false));
        cell.set(HealthStatus::new(HealthState::Unhealthy, "a check failed"));
        assert_eq!((cell.state(), cell.status().state), (HealthState::Unhealthy, HealthState::Unhealthy));
    }
}
