//! The line of those who wait for a place: who is next, who goes first when there is no room, and what each finds.
//!
//! Pure bookkeeping. The limit holds it under its lock and decides who is served.

use std::{cmp::Reverse, collections::BTreeMap, task::Waker};

use plugin_core::{Code, clock::Instant};

use super::{gate::Reading, pace::Pace};

/// Where somebody stands. Places of higher priority come first, and of one priority the older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    class: Reverse<i16>,
    ticket: u64,
}

impl Place {
    /// Nobody's.
    pub(crate) const NOWHERE: Self = Self { class: Reverse(i16::MIN), ticket: u64::MAX };

    /// Whether this place is of higher priority.
    pub(crate) fn is_before(self, priority: i16) -> bool {
        self.class.0 > priority
    }

    /// Whether this place is of lower priority.
    pub(crate) fn is_after(self, priority: i16) -> bool {
        self.class.0 < priority
    }
}

/// From which end those of one priority are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Oldest,
    Newest,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// A place was taken for it, and this is the state with it.
    Served(Reading),
    /// The limit was switched off: it has no place, and needs none.
    Passed,
    /// It was turned away.
    Refused(Code),
}

/// Those who wait, and those whose wait has ended and who have not noticed yet.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// How each is woken: `None` when it was and has not been polled since.
    waiting: BTreeMap<Place, Option<Waker>>,
    settled: BTreeMap<Place, Settled>,
    next_ticket: u64,
    /// Since when somebody has been waiting without a gap.
    busy_since: Option<Instant>,
    pub(crate) pace: Pace,
}

/// What somebody finds who asks for its turn.
#[derive(Debug)]
pub(crate) enum Found {
    Settled(Settled),
    Waiting,
}

/// Somebody who went away.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) settled: Option<Settled>,
    /// To be dropped when the lock is not held.
    pub(crate) waker: Option<Waker>,
}

impl Line {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nobody is known to it, not even one who has yet to notice how its wait ended.
    #[cfg(test)]
    pub(crate) fn is_forgotten(&self) -> bool {
        self.waiting.is_empty() && self.settled.is_empty()
    }

    /// Since when somebody has been waiting without a gap.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        self.busy_since
    }

    /// How many are served before a newcomer of this priority, if those of one priority are served from this end.
    pub(crate) fn ahead(&self, priority: i16, from: End) -> usize {
        let class = Reverse(priority);
        let until = match from {
            End::Oldest => Place { class, ticket: u64::MAX },
            End::Newest => Place { class, ticket: 0 },
        };
        // Counting walks the line; with one priority alone its length says it.
        match (self.waiting.first_key_value(), self.waiting.last_key_value()) {
            (Some((first, _)), _) if *first > until => 0,
            (_, Some((last, _))) if *last < until => self.waiting.len(),
            _ => self.waiting.range(..until).count(),
        }
    }

    /// Lines up.
    pub(crate) fn push(&mut self, priority: i16, waker: Waker, now: Instant) -> Place {
        if self.waiting.is_empty() {
            self.busy_since = Some(now);
            self.pace.begin(now);
        }
        let place = Place { class: Reverse(priority), ticket: self.next_ticket };
        self.next_ticket += 1;
        self.waiting.insert(place, Some(waker));
        place
    }

    /// Who is served next.
    pub(crate) fn next(&self, from: End) -> Option<Place> {
        let (first, _) = self.waiting.first_key_value()?;
        match from {
            End::Oldest => Some(*first),
            End::Newest => self.of_class(first.class).next_back(),
        }
    }

    /// Who is turned away first: of the lowest priority, who would be served last.
    pub(crate) fn last(&self, from: End) -> Option<Place> {
        let (last, _) = self.waiting.last_key_value()?;
        match from {
            End::Oldest => Some(*last),
            End::Newest => self.of_class(last.class).next(),
        }
    }

    fn of_class(&self, class: Reverse<i16>) -> impl DoubleEndedIterator<Item = Place> {
        let (from, to) = (Place { class, ticket: 0 }, Place { class, ticket: u64::MAX });
        self.waiting.range(from..=to).map(|(place, _)| *place)
    }

    /// Ends the wait of somebody, and gives back how it is woken.
    pub(crate) fn settle(&mut self, place: Place, settled: Settled) -> Option<Waker> {
        let waker = self.waiting.remove(&place)?;
        self.settled.insert(place, settled);
        self.gap();
        waker
    }

    /// What this place finds. `waker` replaces its old one if it waits; the one that is no longer needed comes back, to be
    /// dropped when the lock is not held. One whose wait has ended is forgotten with the answer.
    pub(crate) fn look(&mut self, place: Place, waker: Waker) -> (Found, Option<Waker>) {
        if let Some(present) = self.waiting.get_mut(&place) {
            return (Found::Waiting, present.replace(waker));
        }
        // A place is asked about only until its wait has ended.
        let settled = self.settled.remove(&place).unwrap_or(Settled::Refused(Code::QueueFull));
        (Found::Settled(settled), Some(waker))
    }

    /// Takes somebody out of the line.
    pub(crate) fn leave(&mut self, place: Place) -> Left {
        let waker = self.waiting.remove(&place).flatten();
        let settled = self.settled.remove(&place);
        self.gap();
        Left { settled, waker }
    }

    fn gap(&mut self) {
        if self.waiting.is_empty() {
            self.busy_since = None;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::concurrency::gate::Gate;

    const NOW: Instant = Instant::from_nanos(7);

    fn served_now() -> Settled {
        Settled::Served(Gate::new(1, true).read())
    }

    fn line(priorities: &[i16]) -> (Line, Vec<Place>) {
        let mut line = Line::default();
        let places = priorities.iter().map(|priority| line.push(*priority, Waker::noop().clone(), NOW)).collect();
        (line, places)
    }

    fn served(line: &mut Line, from: End) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(place) = line.next(from) {
            assert!(line.settle(place, served_now()).is_some());
            order.push(place.ticket);
        }
        order
    }

    #[test]
    fn higher_priorities_are_served_first_and_those_of_one_from_the_end_that_is_asked_for() {
        assert_eq!(served(&mut line(&[0, 5, -1, 0, 5]).0, End::Oldest), [1, 4, 0, 3, 2]);
        assert_eq!(served(&mut line(&[0, 5, -1, 0, 5]).0, End::Newest), [4, 1, 3, 0, 2]);
    }

    #[test]
    fn the_first_to_be_turned_away_is_who_would_be_served_last() {
        let (line, places) = line(&[0, 5, 0, 5]);
        assert_eq!(line.last(End::Oldest), Some(places[2]));
        assert_eq!(line.last(End::Newest), Some(places[0]));
    }

    #[test]
    fn who_is_ahead_of_a_newcomer_is_counted() {
        let (line, _) = line(&[0, 5, 0, -3]);
        let ahead = |priority| (line.ahead(priority, End::Oldest), line.ahead(priority, End::Newest));
        assert_eq!([9, 5, 0, -3, -4].map(ahead), [(0, 0), (1, 0), (3, 1), (4, 3), (4, 4)]);
        assert_eq!(Line::default().ahead(0, End::Oldest), 0);
    }

    #[test]
    fn who_leaves_is_skipped_and_what_it_was_given_comes_back() {
        let (mut line, places) = line(&[0, 0, 0]);
        line.settle(places[0], served_now());
        assert_eq!(line.leave(places[0]).settled, Some(served_now()));
        let left = line.leave(places[1]);
        assert!(left.settled.is_none() && left.waker.is_some());
        assert_eq!(served(&mut line, End::Oldest), [2]);
    }

    #[test]
    fn a_place_finds_how_its_wait_ended_and_is_forgotten() {
        let (mut line, places) = line(&[0]);
        assert!(matches!(line.look(places[0], Waker::noop().clone()), (Found::Waiting, Some(_))));
        line.settle(places[0], Settled::Refused(Code::Shed));
        let (found, _) = line.look(places[0], Waker::noop().clone());
        assert!(matches!(found, Found::Settled(Settled::Refused(Code::Shed))));
        assert!(line.is_forgotten());
    }

    #[test]
    fn the_line_knows_since_when_it_has_not_been_empty() {
        let (mut line, places) = line(&[0]);
        let later = Instant::from_nanos(9);
        let second = line.push(0, Waker::noop().clone(), later);
        line.leave(places[0]);
        assert_eq!(line.busy_since(), Some(NOW));
        line.leave(second);
        assert_eq!(line.busy_since(), None);
        line.push(0, Waker::noop().clone(), later);
        assert_eq!(line.busy_since(), Some(later));
    }
}
