//! The calls in flight, and the requests that wait to be written. No I/O, no clock, no lock.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    sync::Arc,
    task::Waker,
};

use plugin_core::Sent;

use super::{
    super::codec::{Answer, Frame},
    Counts, Failure, Limits, Place,
};

/// The low bits of an id are the slot, those above it count calls. So an id is found without hashing, and the id of a call
/// that is over never equals the id of the call that has its slot now.
const SLOT_BITS: u32 = 17;

/// The count is of so many bits, and begins at random: what a caller can make a plugin log, or what it logs by itself, is no
/// other call's id.
const COUNT_BITS: u32 = 44;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The three high bits. They make the first digit a letter, so that no decimal number is an id, and no digit can get lost
/// where an id is read as a number and written as one.
const TAG: u64 = 0b101 << (SLOT_BITS + COUNT_BITS);
const TAG_BITS: u64 = 0b111 << (SLOT_BITS + COUNT_BITS);

/// The most calls that can be in flight.
pub(crate) const MAX_IN_FLIGHT: usize = 1 << 16;

/// The most requests of the host's own that can be in flight beside the calls.
const MAX_OWN: usize = 64;

const _: () = assert!(MAX_IN_FLIGHT + MAX_OWN <= 1 << SLOT_BITS, "each has a slot");

pub(super) type Outcome = Result<Answer, Failure>;

#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Where the count of calls begins.
    first: u64,
    calls: u64,
    /// Slots of the host's own requests, which are no calls.
    own: usize,
    /// Ids of questions of the host, which are written before any call that still waits.
    ahead: VecDeque<u64>,
    /// Ids in the order in which they were queued. In both queues an id whose slot has moved on is skipped.
    queue: VecDeque<u64>,
    /// Bytes of calls alone.
    queued_bytes: usize,
    closed: Option<Failure>,
    limits: Limits,
    counts: Counts,
}

#[derive(Debug)]
struct Slot {
    /// 0 for a free slot: no call has it.
    id: u64,
    /// A request of the host's own.
    own: bool,
    waker: Option<Waker>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Written to nobody yet; can be withdrawn without a trace.
    Queued(Frame),
    /// The plugin may have seen it.
    Sent,
    /// Writing it failed before its first byte.
    Unsent,
    /// The outcome waits for the caller to fetch it.
    Done(Outcome),
    Free,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            first: RandomState::new().build_hasher().finish(),
            calls: 0,
            own: 0,
            ahead: VecDeque::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            closed: None,
            limits: Limits { in_flight: limits.in_flight.clamp(1, MAX_IN_FLIGHT), ..limits },
            counts: Counts::default(),
        }
    }

    /// Queues a request. One of the host's own passes while new calls are refused, and is outside of the bounds of calls:
    /// that many of them wait says nothing of the plugin's health.
    pub(super) fn insert(&mut self, mut frame: Frame, waker: Waker, place: Place) -> Result<u64, Failure> {
        let own = place != Place::Call;
        match &self.closed {
            Some(Failure::Closing) if own => {}
            Some(failure) => return Err(failure.clone()),
            None => {}
        }
        // A single request larger than the bound may still pass when nothing else waits.
        if !own && self.queued_bytes > 0 && self.queued_bytes + frame.len() > self.limits.queued_bytes {
            return Err(Failure::QueueFull(self.limits.queued_bytes));
        }
        let (used, most) = if own { (self.own, MAX_OWN) } else { (self.in_flight(), self.limits.in_flight) };
        if used >= most {
            return Err(Failure::TooMany(most));
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { id: 0, own, waker: None, stage: Stage::Free });
            self.slots.len() - 1
        });
        self.calls += 1;
        let number = self.first.wrapping_add(self.calls) & COUNT;
        let id = TAG | (number << SLOT_BITS) | index as u64;
        frame.set_id(id);
        if own {
            self.own += 1;
        } else {
            self.queued_bytes += frame.len();
        }
        let queue = if place == Place::Ahead { &mut self.ahead } else { &mut self.queue };
        queue.push_back(id);
        self.slots[index] = Slot { id, own, waker: Some(waker), stage: Stage::Queued(frame) };
        Ok(id)
    }

    /// Fetches the outcome, or leaves this waker.
    pub(super) fn fetch(&mut self, id: u64, waker: &Waker) -> Option<Outcome> {
        let slot = self.slot(id)?;
        if !matches!(slot.stage, Stage::Done(_)) {
            match &mut slot.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            return None;
        }
        match self.release(id) {
            Some(Stage::Done(outcome)) => Some(outcome),
            _ => None,
        }
    }

    /// Forgets a call that nobody waits for, and says whether the plugin may have seen it. A reply that comes later is
    /// counted and dropped.
    pub(super) fn forget(&mut self, id: u64) -> Sent {
        let sent = match self.release(id) {
            Some(Stage::Queued(_) | Stage::Unsent | Stage::Done(Err(Failure::Lost(_, Sent::Nothing)))) => Sent::Nothing,
            _ => Sent::Maybe,
        };
        // Ids of withdrawn requests stay in the queue until they outnumber what can be live.
        let slots = &self.slots;
        for (queue, live) in [(&mut self.queue, self.limits.in_flight + MAX_OWN), (&mut self.ahead, MAX_OWN)] {
            if queue.len() > 2 * live {
                queue.retain(|id| slots.get(index(*id)).is_some_and(|slot| slot.id == *id));
            }
        }
        sent
    }

    /// Moves queued requests into `out`, in order, until it holds `enough` bytes, and says where each begins. From here
    /// on they count as sent.
    pub(super) fn take_queued(&mut self, out: &mut Vec<u8>, starts: &mut Vec<(u64, usize)>, enough: usize) {
        while out.len() < enough {
            let Some(id) = self.ahead.pop_front().or_else(|| self.queue.pop_front()) else { return };
            let Some(slot) = self.slot(id) else { continue };
            if !matches!(slot.stage, Stage::Queued(_)) {
                continue;
            }
            let own = slot.own;
            let Stage::Queued(frame) = std::mem::replace(&mut slot.stage, Stage::Sent) else { continue };
            if !own {
                self.queued_bytes -= frame.len();
            }
            starts.push((id, out.len()));
            if out.is_empty() {
                *out = frame.into_bytes();
            } else {
                out.extend_from_slice(&frame.into_bytes());
            }
        }
    }

    /// A request that was taken to be written was not: the pipe is broken.
    pub(super) fn unsent(&mut self, id: u64) {
        if let Some(slot) = self.slot(id).filter(|slot| matches!(slot.stage, Stage::Sent)) {
            slot.stage = Stage::Unsent;
        }
    }

    /// Delivers a reply to its call. `Err`: no call ever had this id.
    pub(super) fn complete(&mut self, id: u64, outcome: Outcome) -> Result<Option<Waker>, ()> {
        let known = self.is_known(id);
        match self.slot(id) {
            Some(slot) if matches!(slot.stage, Stage::Sent) => {
                slot.stage = Stage::Done(outcome);
                Ok(slot.waker.take())
            }
            // A reply to a request that was not sent yet can only be a guess.
            Some(slot) if matches!(slot.stage, Stage::Queued(_) | Stage::Unsent) => Err(()),
            _ if !known => Err(()),
            _ => {
                self.counts.late += 1;
                Ok(None)
            }
        }
    }

    pub(super) fn count_noise(&mut self) {
        self.counts.noise += 1;
    }

    /// Refuses new calls; those in flight go on.
    pub(super) fn refuse_new(&mut self) {
        self.closed.get_or_insert(Failure::Closing);
    }

    /// Fails every call in flight, and every call to come. Only the first reason counts.
    pub(super) fn close(&mut self, why: &Arc<str>, wake: &mut Vec<Waker>) {
        if matches!(self.closed, None | Some(Failure::Closing)) {
            self.closed = Some(Failure::Lost(why.clone(), Sent::Nothing));
        }
        for slot in &mut self.slots {
            let sent = match slot.stage {
                Stage::Queued(_) | Stage::Unsent => Sent::Nothing,
                Stage::Sent => Sent::Maybe,
                Stage::Done(_) | Stage::Free => continue,
            };
            slot.stage = Stage::Done(Err(Failure::Lost(why.clone(), sent)));
            wake.extend(slot.waker.take());
        }
        self.ahead.clear();
        self.queue.clear();
        self.queued_bytes = 0;
    }

    /// Calls that are not over for their callers.
    pub(super) fn in_flight(&self) -> usize {
        self.requests() - self.own
    }

    /// The same with the host's own requests.
    pub(super) fn requests(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { in_flight: self.in_flight(), ..self.counts }
    }

    /// Whether a call ever had this id.
    fn is_known(&self, id: u64) -> bool {
        let number = (id >> SLOT_BITS).wrapping_sub(self.first) & COUNT;
        id & TAG_BITS == TAG && (1..=self.calls).contains(&number)
    }

    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        self.slots.get_mut(index(id)).filter(|slot| slot.id == id && id != 0)
    }

    fn release(&mut self, id: u64) -> Option<Stage> {
        let slot = self.slot(id)?;
        slot.id = 0;
        slot.waker = None;
        let own = slot.own;
        let stage = std::mem::replace(&mut slot.stage, Stage::Free);
        self.free.push(index(id));
        match &stage {
            _ if own => self.own -= 1,
            Stage::Queued(frame) => self.queued_bytes -= frame.len(),
            _ => {}
        }
        Some(stage)
    }
}

fn index(id: u64) -> usize {
    (id & ((1 << SLOT_BITS) - 1)) as usize
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
