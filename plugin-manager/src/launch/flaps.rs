//! How often the log tells of a health that does not settle. Pure: no clock, no log.

use std::time::Duration;

use plugin_core::{HealthState, clock::Instant};

/// One state is told of once in this time.
const QUIET: Duration = Duration::from_secs(60);

/// The first change to a state is told at once. What changes to it again within a minute is counted, and told at the end of
/// that minute if it is how things are by then: so the last word of the log is always right, and a plugin that goes up and down
/// each second has no more than a line for each state and minute.
#[derive(Debug)]
pub(super) struct Flaps {
    told: [Option<Instant>; STATES],
    last: HealthState,
    /// Changes that it was not told of.
    untold: u64,
}

const STATES: usize = HealthState::Offline as usize + 1;

impl Flaps {
    pub(super) fn new() -> Self {
        Self { told: [None; STATES], last: HealthState::Unknown, untold: 0 }
    }

    /// It is in this state now. Where that is to be told, with how many changes before it were not.
    pub(super) fn is(&mut self, state: HealthState, now: Instant) -> Option<u64> {
        if state != self.last {
            self.last = state;
            self.untold += 1;
        }
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.told[state as usize] = Some(now);
        Some(std::mem::take(&mut self.untold).saturating_sub(1))
    }

    /// When the log is to be told how it is, if it stays so; `None`: it knows.
    pub(super) fn due(&self) -> Option<Instant> {
        let told = self.told[self.last as usize];
        (self.untold > 0).then(|| told.map_or(Instant::ZERO, |told| told.saturating_add(QUIET)))
    }
}

#[cfg(test)]
mod tests {
    use HealthState::{Healthy, Offline, Unhealthy};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.saturating_add(Duration::from_secs(1000 + seconds))
    }

    #[test]
    fn the_first_change_to_each_state_is_told_and_a_state_that_stays_is_not_told_again() {
        let mut flaps = Flaps::new();
        assert_eq!((flaps.is(Healthy, at(0)), flaps.is(Healthy, at(70)), flaps.due()), (Some(0), None, None));
        assert_eq!((flaps.is(Unhealthy, at(71)), flaps.is(Offline, at(72)), flaps.due()), (Some(0), Some(0), None));
        assert_eq!(flaps.is(Healthy, at(73)), Some(0), "it was told of more than a minute ago");
    }

    #[test]
    fn what_goes_up_and_down_each_second_is_told_once_a_minute_for_each_state_with_how_often_it_was() {
        let mut flaps = Flaps::new();
        let states = [Healthy, Unhealthy];
        let told: Vec<_> = (0..180)
            .filter_map(|second| {
                let state = states[second as usize % 2];
                flaps.is(state, at(second)).map(|untold| (second, state, untold))
            })
            .collect();
        let expected = [
            (0, Healthy, 0),
            (1, Unhealthy, 0),
            (60, Healthy, 58),
            (61, Unhealthy, 0),
            (120, Healthy, 58),
            (121, Unhealthy, 0),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_last_word_is_how_it_is() {
        let mut flaps = Flaps::new();
        for (second, state) in [(0, Healthy), (1, Unhealthy), (2, Healthy)] {
            flaps.is(state, at(second));
        }
        assert_eq!(flaps.due(), Some(at(60)));
        assert_eq!((flaps.is(Healthy, at(59)), flaps.is(Healthy, at(60)), flaps.due()), (None, Some(0), None));
        // Back to what the log says already: it is told all the same that there was something.
        flaps.is(Unhealthy, at(61));
        flaps.is(Healthy, at(62));
        flaps.is(Unhealthy, at(63));
        flaps.is(Healthy, at(64));
        assert_eq!((flaps.due(), flaps.is(Healthy, at(120))), (Some(at(120)), Some(2)));
    }
}
