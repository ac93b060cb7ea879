//! The line of those who wait for tokens: who is next, who has been served, and how much stands before each.
//!
//! Pure bookkeeping. The bucket holds it under its lock and decides who is served.

use std::{collections::VecDeque, task::Waker};

/// Those who wait, in the order in which they came. Entries that were served but have not noticed yet form the head.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    served: usize,
    next_ticket: u64,
    /// Tokens that were ever asked for, wrapping.
    asked: u64,
    /// Tokens that those who wait ask for.
    waiting: u64,
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    tokens: u64,
    /// `Queue::asked` before this entry came.
    asked_before: u64,
    state: TicketState,
}

#[derive(Debug)]
enum TicketState {
    /// `None` when it was woken and has not been polled since.
    Waiting(Option<Waker>),
    Served(Serving),
}

/// How an entry was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Tokens were taken, and the arrival time became this.
    Granted { taken: u64 },
    /// The limit was switched off.
    Unlimited,
    /// The bucket became too small for it.
    Never { burst: u64 },
}

/// What an entry finds.
#[derive(Debug)]
pub(crate) enum Found {
    Served(Serving),
    /// It waits, and those before it ask for this many tokens. The count includes those who went away since it came,
    /// until it is the first.
    Waiting {
        tokens: u64,
        ahead: u64,
    },
}

/// An entry that went away.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) tokens: u64,
    pub(crate) serving: Option<Serving>,
    pub(crate) was_first: bool,
    /// To be dropped when the lock is not held.
    pub(crate) waker: Option<Waker>,
}

impl Queue {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.served < self.entries.len()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len() - self.served
    }

    /// Tokens that those who wait ask for.
    pub(crate) fn waiting_tokens(&self) -> u64 {
        self.waiting
    }

    /// Lines up. The ticket finds the entry again.
    pub(crate) fn push(&mut self, tokens: u64, waker: Waker) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.entries.push_back(Entry {
            ticket,
            tokens,
            asked_before: self.asked,
            state: TicketState::Waiting(Some(waker)),
        });
        self.asked = self.asked.wrapping_add(tokens);
        self.waiting += tokens;
        ticket
    }

    /// What the first of those who wait asks for.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.get(self.served).map(|entry| entry.tokens)
    }

    /// How the first of those who wait is woken. It leaves another when it is polled.
    pub(crate) fn take_first_waker(&mut self) -> Option<Waker> {
        match &mut self.entries.get_mut(self.served)?.state {
            TicketState::Waiting(waker) => waker.take(),
            TicketState::Served(_) => None,
        }
    }

    /// How all those who wait are woken.
    pub(crate) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.entries.iter_mut().filter_map(|entry| match &mut entry.state {
            TicketState::Waiting(waker) => waker.take(),
            TicketState::Served(_) => None,
        })
    }

    /// Serves the first of those who wait, and gives back how it is woken.
    pub(crate) fn serve(&mut self, serving: Serving) -> Option<Waker> {
        let entry = self.entries.get_mut(self.served)?;
        self.served += 1;
        self.waiting -= entry.tokens;
        match std::mem::replace(&mut entry.state, TicketState::Served(serving)) {
            TicketState::Waiting(waker) => waker,
            TicketState::Served(_) => None,
        }
    }

    /// What the entry with this ticket finds. `waker` replaces its old one if it waits; the one that is no longer
    /// needed comes back, to be dropped when the lock is not held.
    pub(crate) fn look(&mut self, ticket: u64, waker: Waker) -> Option<(Found, Option<Waker>)> {
        let index = self.index(ticket)?;
        let first_asked = self.entries.get(self.served).map_or(self.asked, |first| first.asked_before);
        let entry = self.entries.get_mut(index)?;
        Some(match &mut entry.state {
            TicketState::Served(serving) => (Found::Served(*serving), Some(waker)),
            TicketState::Waiting(present) => {
                let ahead = entry.asked_before.wrapping_sub(first_asked);
                (Found::Waiting { tokens: entry.tokens, ahead }, present.replace(waker))
            }
        })
    }

    /// Takes the entry with this ticket out of the line.
    pub(crate) fn leave(&mut self, ticket: u64) -> Option<Left> {
        let index = self.index(ticket)?;
        let was_first = index == self.served;
        let entry = self.entries.remove(index)?;
        let (serving, waker) = match entry.state {
            TicketState::Served(serving) => {
                self.served -= 1;
                (Some(serving), None)
            }
            TicketState::Waiting(waker) => {
                self.waiting -= entry.tokens;
                (None, waker)
            }
        };
        Some(Left { tokens: entry.tokens, serving, was_first, waker })
    }

    /// Moves the arrival times of the grants that have not been noticed and stand at or after `ticket`.
    pub(crate) fn adjust_grants(&mut self, from_ticket: u64, adjust: impl Fn(u64) -> u64) {
        for entry in self.entries.iter_mut().take(self.served).filter(|entry| entry.ticket >= from_ticket) {
            if let TicketState::Served(Serving::Granted { taken }) = &mut entry.state {
                *taken = adjust(*taken);
            }
        }
    }

    fn index(&self, ticket: u64) -> Option<usize> {
        // Tickets rise along the line.
        self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waker() -> Waker {
        Waker::noop().clone()
    }

    fn ahead(queue: &mut Queue, ticket: u64) -> Option<u64> {
        match queue.look(ticket, waker())?.0 {
            Found::Waiting { ahead, .. } => Some(ahead),
            Found::Served(_) => None,
        }
    }

    #[test]
    fn they_are_served_in_the_order_in_which_they_came() {
        let mut queue = Queue::default();
        let tickets: Vec<_> = [2, 3, 4].map(|tokens| queue.push(tokens, waker())).into();
        assert_eq!(queue.waiting_tokens(), 9);
        assert_eq!(
            tickets.iter().map(|ticket| ahead(&mut queue, *ticket)).collect::<Vec<_>>(),
            [Some(0), Some(2), Some(5)]
        );
        assert!(queue.serve(Serving::Granted { taken: 7 }).is_some());
        assert_eq!(
            tickets.iter().map(|ticket| ahead(&mut queue, *ticket)).collect::<Vec<_>>(),
            [None, Some(0), Some(3)]
        );
        let left = queue.leave(tickets[0]).expect("it was there");
        assert_eq!(left.serving, Some(Serving::Granted { taken: 7 }));
        assert_eq!((queue.first(), queue.waiting_tokens()), (Some(3), 7));
    }

    #[test]
    fn who_leaves_the_middle_is_skipped_and_leaves_once() {
        let mut queue = Queue::default();
        let tickets: Vec<_> = [1, 1, 1].map(|tokens| queue.push(tokens, waker())).into();
        let left = queue.leave(tickets[1]).expect("it was there");
        assert!(left.serving.is_none() && !left.was_first && left.waker.is_some());
        assert!(queue.leave(tickets[1]).is_none());
        queue.serve(Serving::Unlimited);
        assert_eq!(ahead(&mut queue, tickets[2]), Some(0));
        queue.serve(Serving::Unlimited);
        assert!(!queue.is_waiting());
        assert!(queue.serve(Serving::Unlimited).is_none());
        assert_eq!(queue.waiting_tokens(), 0);
    }

    #[test]
    fn grants_are_adjusted_from_a_ticket_on() {
        let mut queue = Queue::default();
        let tickets: Vec<_> = [1, 1, 1].map(|tokens| queue.push(tokens, waker())).into();
        for taken in [10, 20, 30] {
            queue.serve(Serving::Granted { taken });
        }
        queue.adjust_grants(tickets[1], |taken| taken - 5);
        let taken = tickets.iter().map(|ticket| queue.leave(*ticket).and_then(|left| left.serving));
        assert_eq!(taken.collect::<Vec<_>>(), [10, 15, 25].map(|taken| Some(Serving::Granted { taken })));
    }
}
