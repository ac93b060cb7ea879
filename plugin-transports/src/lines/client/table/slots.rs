//! The state of each request in flight, found by its id without hashing.

use std::task::Waker;

use plugin_core::{clock::Instant, deadline::cut::Place};

use super::{
    super::{
        super::codec::{Answer, Frame},
        Failure,
        backlog::{Caller, Progress},
    },
    ids::{index, is_own},
};

#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

/// What a request came to.
pub(in super::super) type Outcome = Result<Answer, Failure>;

#[derive(Debug)]
pub(super) struct Slot {
    /// 0 for a free slot: no call has it.
    id: u64,
    pub(super) waker: Option<Waker>,
    pub(super) stage: SlotStage,
    /// The id of a call that had this slot and has had a reply: the last of which one came.
    pub(super) replied: u64,
}

#[derive(Debug)]
pub(super) enum SlotStage {
    /// Written to nobody yet; can be withdrawn without a trace.
    Queued(Waiting),
    /// The plugin may have seen it.
    Sent {
        /// Where it begins in all that was written.
        start: u64,
        /// When it was written, where it may have been held back until then.
        held_until: Option<Instant>,
        /// What was answered by then.
        after: Place,
    },
    /// It was taken to be written, and the plugin has not got the first byte of it.
    Unsent,
    /// The outcome waits for the caller to fetch it.
    Done(Outcome, Treatment),
    Free,
}

/// How a call was treated on this side that has its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// When it was written, where it may have been held back until then.
    pub(crate) held_until: Option<Instant>,
    /// The plugin answered others since it was written.
    pub(crate) others_answered: bool,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) frame: Frame,
    pub(super) caller: Caller,
    /// How far the plugin had come when it was queued.
    pub(super) then: Progress,
    /// It waits for a turn of those that have little time.
    pub(super) is_aside: bool,
}

impl Slots {
    /// The place of a free one.
    pub(super) fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { id: 0, waker: None, stage: SlotStage::Free, replied: 0 });
            self.slots.len() - 1
        })
    }

    /// A request has the slot that its id tells, which was free.
    pub(super) fn queue(&mut self, id: u64, waker: Waker, waiting: Waiting) {
        let slot = &mut self.slots[index(id)];
        (slot.id, slot.waker, slot.stage) = (id, Some(waker), SlotStage::Queued(waiting));
    }

    /// Of those that the plugin may have seen and not answered, which this says something of.
    pub(super) fn sent(&self, which: impl Fn(u64) -> bool) -> usize {
        let sent = self.slots.iter().filter(|slot| matches!(slot.stage, SlotStage::Sent { .. }));
        sent.filter(|slot| which(slot.id)).count()
    }

    pub(super) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether a request that has this id is in flight.
    pub(super) fn has(&self, id: u64) -> bool {
        self.slots.get(index(id)).is_some_and(|slot| slot.id == id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Slot> {
        self.slots.get_mut(index(id)).filter(|slot| slot.id == id && id != 0)
    }

    /// The slot that a request had, whoever has it now.
    pub(super) fn of_old(&mut self, id: u64) -> Option<&mut Slot> {
        self.slots.get_mut(index(id))
    }

    /// A request that was not written and not withdrawn.
    pub(super) fn queued(&mut self, id: u64) -> Option<&mut Waiting> {
        match &mut self.get_mut(id)?.stage {
            SlotStage::Queued(waiting) => Some(waiting),
            _ => None,
        }
    }

    /// Frees a slot. Gives back what was in it.
    pub(super) fn release(&mut self, id: u64) -> Option<SlotStage> {
        let slot = self.get_mut(id)?;
        slot.id = 0;
        slot.waker = None;
        let stage = std::mem::replace(&mut slot.stage, SlotStage::Free);
        self.free.push(index(id));
        Some(stage)
    }

    /// Those of calls, and free ones.
    pub(super) fn calls_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(|slot| !is_own(slot.id))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut()
    }
}
