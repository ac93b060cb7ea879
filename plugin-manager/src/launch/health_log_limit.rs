//! Limits how often a change of health is logged. Pure: no clock, no log.

use std::time::Duration;

use plugin_core::{HealthState, clock::Instant};

/// One state is told of [`FEW`] times in this time.
const QUIET: Duration = Duration::from_secs(60);

/// What goes down and comes back is told as it happens; what does so oftener than this in a minute does not settle.
const FEW: u32 = 4;

/// What has stayed as it is for so long is told, however often it was told of before.
const SETTLED: Duration = Duration::from_secs(10);

/// The first changes to a state are told at once. What changes to it again within a minute is counted, and told when it has
/// stayed so for a while, or at the end of that minute if it is how things are by then: so the last word of the log is soon
/// right, and a plugin that goes up and down each second has no more than a few lines for each state and minute.
#[derive(Debug)]
pub(super) struct Flaps {
    /// For each state, since when how often it was told of.
    told: [Option<(Instant, u32)>; STATES],
    last: HealthState,
    since: Instant,
    /// Changes that it was not told of.
    untold: u64,
}

/// What is told of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToldHealth {
    /// Changes before it that were not told of.
    pub(super) untold: u64,
    /// For how long it has been so.
    pub(super) stayed: Duration,
}

const STATES: usize = HealthState::Offline as usize + 1;

impl Flaps {
    pub(super) fn new() -> Self {
        Self { told: [None; STATES], last: HealthState::Unknown, since: Instant::ZERO, untold: 0 }
    }

    /// It is in this state now. Where that is to be told, what.
    pub(super) fn is(&mut self, state: HealthState, now: Instant) -> Option<ToldHealth> {
        if state != self.last {
            (self.last, self.since) = (state, now);
            self.untold += 1;
        }
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        let told = &mut self.told[state as usize];
        *told = match *told {
            Some((since, count)) if now < since.saturating_add(QUIET) => Some((since, count + 1)),
            _ => Some((now, 1)),
        };
        let untold = std::mem::take(&mut self.untold).saturating_sub(1);
        Some(ToldHealth { untold, stayed: now.saturating_since(self.since) })
    }

    /// When the log is to be told how it is, if it stays so; `None`: it knows.
    pub(super) fn due(&self) -> Option<Instant> {
        let told = self.told[self.last as usize];
        (self.untold > 0).then(|| match told {
            Some((since, count)) if count >= FEW => since.saturating_add(QUIET).min(self.since.saturating_add(SETTLED)),
            _ => Instant::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use HealthState::{Healthy, Offline, Unhealthy};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.saturating_add(Duration::from_secs(1000 + seconds))
    }

    /// As it happens.
    fn told(untold: u64) -> Option<ToldHealth> {
        Some(ToldHealth { untold, stayed: Duration::ZERO })
    }

    #[test]
    fn the_first_change_to_each_state_is_told_and_a_state_that_stays_is_not_told_again() {
        let mut flaps = Flaps::new();
        assert_eq!((flaps.is(Healthy, at(0)), flaps.is(Healthy, at(70)), flaps.due()), (told(0), None, None));
        assert_eq!((flaps.is(Unhealthy, at(71)), flaps.is(Offline, at(72)), flaps.due()), (told(0), told(0), None));
        assert_eq!(flaps.is(Healthy, at(73)), told(0), "it was told of more than a minute ago");
    }

    #[test]
    fn what_goes_up_and_down_each_second_is_told_a_few_times_a_minute_for_each_state_with_how_often_it_was() {
        let mut flaps = Flaps::new();
        let states = [Healthy, Unhealthy];
        let told: Vec<_> = (0..180)
            .filter_map(|second| {
                let state = states[second as usize % 2];
                flaps.is(state, at(second)).map(|told| (second, state, told.untold))
            })
            .collect();
        let expected = |minute: u64| {
            let (first, second) = (60 * minute, 60 * minute + 1);
            let before = if minute == 0 { 0 } else { 52 };
            let mut lines = vec![(first, Healthy, before), (second, Unhealthy, 0)];
            lines.extend(
                (1..u64::from(FEW)).flat_map(|n| [(first + 2 * n, Healthy, 0), (second + 2 * n, Unhealthy, 0)]),
            );
            lines
        };
        let expected: Vec<_> = (0..3).flat_map(expected).collect();
        assert_eq!(told, expected);
    }

    /// It used to come a minute after the first, when all had been well for most of it.
    #[test]
    fn the_last_word_is_how_it_is_and_comes_soon_with_how_long_it_has_been_so() {
        let mut flaps = Flaps::new();
        for second in 0..u64::from(FEW) {
            assert_eq!(flaps.is(Healthy, at(2 * second)), told(0), "it comes back at once");
            assert_eq!(flaps.is(Unhealthy, at(2 * second + 1)), told(0));
        }
        assert_eq!((flaps.is(Healthy, at(10)), flaps.due()), (None, Some(at(20))));
        assert_eq!((flaps.is(Healthy, at(19)), flaps.due()), (None, Some(at(20))), "another check of the same");
        let settled = Some(ToldHealth { untold: 0, stayed: SETTLED });
        assert_eq!((flaps.is(Healthy, at(20)), flaps.due()), (settled, None));
        for second in [53, 55] {
            flaps.is(Unhealthy, at(second));
            flaps.is(Healthy, at(second + 1));
        }
        assert_eq!(flaps.due(), Some(at(60)), "the minute is over before that");
        // Back to what the log says already: it is told all the same that there was something.
        assert_eq!(flaps.is(Healthy, at(60)), Some(ToldHealth { untold: 3, stayed: Duration::from_secs(4) }));
        assert_eq!(flaps.due(), None);
    }
}
