//! How often the log tells of a health that does not settle. Pure: no clock, no log.

use std::time::Duration;

use plugin_core::{HealthState, clock::Instant};

/// One state is told of [`FEW`] times in this time.
const QUIET: Duration = Duration::from_secs(60);

/// What goes down and comes back is told as it happens; what does so oftener than this in a minute does not settle.
const FEW: u32 = 4;

/// The first changes to a state are told at once. What changes to it again within a minute is counted, and told at the end of
/// that minute if it is how things are by then: so the last word of the log is always right, and a plugin that goes up and down
/// each second has no more than a few lines for each state and minute.
#[derive(Debug)]
pub(super) struct Flaps {
    /// For each state, since when how often it was told of.
    told: [Option<(Instant, u32)>; STATES],
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
        let told = &mut self.told[state as usize];
        *told = match *told {
            Some((since, count)) if now < since.saturating_add(QUIET) => Some((since, count + 1)),
            _ => Some((now, 1)),
        };
        Some(std::mem::take(&mut self.untold).saturating_sub(1))
    }

    /// When the log is to be told how it is, if it stays so; `None`: it knows.
    pub(super) fn due(&self) -> Option<Instant> {
        let told = self.told[self.last as usize];
        (self.untold > 0).then(|| match told {
            Some((since, count)) if count >= FEW => since.saturating_add(QUIET),
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

    #[test]
    fn the_first_change_to_each_state_is_told_and_a_state_that_stays_is_not_told_again() {
        let mut flaps = Flaps::new();
        assert_eq!((flaps.is(Healthy, at(0)), flaps.is(Healthy, at(70)), flaps.due()), (Some(0), None, None));
        assert_eq!((flaps.is(Unhealthy, at(71)), flaps.is(Offline, at(72)), flaps.due()), (Some(0), Some(0), None));
        assert_eq!(flaps.is(Healthy, at(73)), Some(0), "it was told of more than a minute ago");
    }

    #[test]
    fn what_goes_up_and_down_each_second_is_told_a_few_times_a_minute_for_each_state_with_how_often_it_was() {
        let mut flaps = Flaps::new();
        let states = [Healthy, Unhealthy];
        let told: Vec<_> = (0..180)
            .filter_map(|second| {
                let state = states[second as usize % 2];
                flaps.is(state, at(second)).map(|untold| (second, state, untold))
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

    #[test]
    fn the_last_word_is_how_it_is() {
        let mut flaps = Flaps::new();
        for second in 0..u64::from(FEW) {
            assert_eq!(flaps.is(Healthy, at(2 * second)), Some(0), "it comes back at once");
            assert_eq!(flaps.is(Unhealthy, at(2 * second + 1)), Some(0));
        }
        assert_eq!((flaps.is(Healthy, at(10)), flaps.due()), (None, Some(at(60))));
        assert_eq!((flaps.is(Healthy, at(59)), flaps.is(Healthy, at(60)), flaps.due()), (None, Some(0), None));
        // Back to what the log says already: it is told all the same that there was something.
        for second in [61, 63] {
            flaps.is(Unhealthy, at(second));
            flaps.is(Healthy, at(second + 1));
        }
        assert_eq!(flaps.due(), None, "a new minute has begun");
    }
}
