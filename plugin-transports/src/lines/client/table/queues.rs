//! Requests that wait to be written, and which of them is next.

use std::collections::VecDeque;

use plugin_core::clock::Instant;

use super::{
    super::{
        Place,
        backlog::{Backlog, Caller, Hold},
    },
    ids::MAX_OWN,
    slots::{Slots, Waiting},
};

/// Ids, in the order in which they were queued. One whose slot has moved on is skipped.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Questions of the host, which are written before any call that still waits.
    pub(super) ahead: VecDeque<u64>,
    pub(super) in_turn: VecDeque<u64>,
    /// Calls that have so little time left that they are written one at a time, after all others.
    aside: VecDeque<u64>,
    /// Calls were held back when the next was last asked for.
    pub(super) is_held: bool,
}

impl Queues {
    pub(super) fn push(&mut self, id: u64, place: Place) {
        match place {
            Place::Ahead => self.ahead.push_back(id),
            Place::Call | Place::Last => self.in_turn.push_back(id),
        }
    }

    /// The next request to be written. `Err`: until when at the latest all that wait are held back.
    /// What is said last, on the way to an end, must not wait for anything.
    pub(super) fn next(
        &mut self,
        slots: &mut Slots,
        backlog: &mut Backlog,
        is_last: bool,
        now: &impl Fn() -> Instant,
    ) -> Result<Option<u64>, Instant> {
        self.is_held = false;
        if let Some((id, _)) = first(&mut self.ahead, slots) {
            self.ahead.pop_front();
            return Ok(Some(id));
        }
        while let Some((id, waiting)) = first(&mut self.in_turn, slots) {
            let admitted = if is_last { Ok(()) } else { backlog.admit(waiting.caller, now) };
            if let Err(Hold::All(until)) = admitted {
                self.is_held = true;
                return Err(until);
            }
            waiting.is_aside = admitted.is_err();
            self.in_turn.pop_front();
            if admitted.is_ok() {
                return Ok(Some(id));
            }
            self.aside.push_back(id);
        }
        let Some((id, caller)) = self.most_patient(slots) else { return Ok(None) };
        if !is_last {
            match backlog.admit(caller, now) {
                Ok(()) => {}
                Err(Hold::All(until)) => return Err(until),
                Err(Hold::Late) => backlog.admit_late(now)?,
            }
        }
        self.aside.retain(|other| *other != id);
        Ok(Some(id))
    }

    /// Of the calls that have little time, the one that has most. Whoever comes last need not be it.
    fn most_patient(&mut self, slots: &mut Slots) -> Option<(u64, Caller)> {
        let mut caller = |id: u64| Some((id, slots.queued(id)?.caller));
        self.aside.retain(|id| caller(*id).is_some());
        self.aside.iter().filter_map(|id| caller(*id)).max_by_key(|(_, caller)| caller.deadline)
    }

    /// Ids of withdrawn requests stay until they outnumber what can be live.
    pub(super) fn tidy(&mut self, slots: &Slots, in_flight: usize) {
        let calls = in_flight + MAX_OWN;
        for (queue, live) in [(&mut self.in_turn, calls), (&mut self.aside, calls), (&mut self.ahead, MAX_OWN)] {
            if queue.len() > 2 * live {
                queue.retain(|id| slots.has(*id));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.ahead.clear();
        self.in_turn.clear();
        self.aside.clear();
    }
}

/// The first of a queue, without those that were withdrawn.
fn first<'a>(queue: &mut VecDeque<u64>, slots: &'a mut Slots) -> Option<(u64, &'a mut Waiting)> {
    while queue.front().is_some_and(|id| slots.queued(*id).is_none()) {
        queue.pop_front();
    }
    let id = *queue.front()?;
    Some((id, slots.queued(id)?))
}
