//! Who decides: Redis, or each instance by its share. A pure state machine.

use std::{fmt, time::Duration};

use plugin_core::clock::Instant;

use super::fault::AwayReason;

/// Who decides whether a request passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedMode {
    /// The first connection is being made. A decision waits for it, for as long as any decision may take.
    Connecting,
    /// Redis decides: one limit for all instances.
    Shared,
    /// Redis is away: each instance lets its share through.
    Local,
}

impl fmt::Display for SharedMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Shared => "shared",
            Self::Local => "local",
        })
    }
}

/// A change of the mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: SharedMode,
    pub(super) to: SharedMode,
    pub(super) reason: Option<AwayReason>,
}

#[derive(Debug)]
pub(super) struct Machine {
    mode: SharedMode,
    since: Instant,
    reason: Option<AwayReason>,
    /// Since when Redis answers without a fault, while it is not yet trusted.
    well_since: Option<Instant>,
}

impl Machine {
    pub(super) fn new(now: Instant) -> Self {
        Self { mode: SharedMode::Connecting, since: now, reason: None, well_since: None }
    }

    pub(super) fn mode(&self) -> SharedMode {
        self.mode
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Why the instance decides by itself, and why it did last if Redis decides.
    pub(super) fn reason(&self) -> Option<&AwayReason> {
        self.reason.as_ref()
    }

    /// Redis cannot decide.
    pub(super) fn failed(&mut self, reason: AwayReason, now: Instant) -> Option<Change> {
        self.well_since = None;
        self.reason = Some(reason);
        self.go(SharedMode::Local, now)
    }

    /// Redis has answered a look. After a fault it is trusted again when it has done so for as long as `recover_after`.
    pub(super) fn answered(&mut self, recover_after: Duration, now: Instant) -> Option<Change> {
        match self.mode {
            SharedMode::Shared => None,
            SharedMode::Connecting => self.go(SharedMode::Shared, now),
            SharedMode::Local => {
                let since = *self.well_since.get_or_insert(now);
                if now.saturating_since(since) < recover_after {
                    return None;
                }
                self.well_since = None;
                self.go(SharedMode::Shared, now)
            }
        }
    }

    fn go(&mut self, to: SharedMode, now: Instant) -> Option<Change> {
        let from = std::mem::replace(&mut self.mode, to);
        if from == to {
            return None;
        }
        self.since = now;
        let reason = if to == SharedMode::Local { self.reason.clone() } else { None };
        Some(Change { from, to, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_first_answer_is_trusted_and_after_a_fault_only_answers_for_a_while_are() {
        let mut machine = Machine::new(at(0));
        assert_eq!(machine.answered(SECOND, at(1)).map(|change| change.to), Some(SharedMode::Shared));
        let change = machine.failed(AwayReason::Lost, at(5)).expect("a change");
        assert_eq!(
            (change.from, change.to, change.reason),
            (SharedMode::Shared, SharedMode::Local, Some(AwayReason::Lost))
        );
        assert_eq!(machine.since(), at(5));
        assert_eq!(machine.failed(AwayReason::Refused, at(6)), None, "it is away already");
        assert_eq!(machine.reason(), Some(&AwayReason::Refused), "the reason is that of now");
        assert_eq!(machine.since(), at(5));
        assert_eq!(machine.answered(SECOND, at(100)), None);
        assert_eq!(machine.answered(SECOND, at(1_099)), None);
        assert_eq!(machine.answered(SECOND, at(1_100)).map(|change| change.to), Some(SharedMode::Shared));
    }

    #[test]
    fn a_fault_meanwhile_begins_the_wait_anew() {
        let mut machine = Machine::new(at(0));
        machine.failed(AwayReason::Refused, at(0));
        assert_eq!(machine.answered(SECOND, at(100)), None);
        machine.failed(AwayReason::TimedOut, at(900));
        assert_eq!(machine.answered(SECOND, at(1_200)), None);
        assert_eq!(machine.answered(SECOND, at(2_199)), None);
        assert!(machine.answered(SECOND, at(2_200)).is_some());
    }
}
