//! The calls in flight, and the requests that wait to be written. No I/O, no lock; whoever moves it brings the clock.

use std::{
    collections::{VecDeque, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    sync::Arc,
    task::Waker,
};

use plugin_core::{Sent, clock::Instant};

use super::{
    super::codec::{Answer, Frame},
    Counts, Failure, Limits, Place,
    backlog::{Backlog, Hold, Progress},
};

/// The low bits of an id are the slot, those above it count calls. So an id is found without hashing, and the id of a call
/// that is over never equals the id of the call that has its slot now.
const SLOT_BITS: u32 = 17;

/// The count is of so many bits, and begins at random: what a caller can make a plugin log, or what it logs by itself, is no
/// other call's id.
const COUNT_BITS: u32 = 43;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The bit above says that it is a request of the host's own, also when its slot is long another's.
const OWN: u64 = 1 << (SLOT_BITS + COUNT_BITS);

/// The three high bits. They make the first digit a letter, so that no decimal number is an id, and no digit can get lost
/// where an id is read as a number and written as one.
const TAG: u64 = 0b101 << 61;
const TAG_BITS: u64 = 0b111 << 61;

/// The most calls that can be in flight.
pub(crate) const MAX_IN_FLIGHT: usize = 1 << 16;

/// The most requests of the host's own that can be in flight beside the calls.
const MAX_OWN: usize = 64;

const _: () = assert!(MAX_IN_FLIGHT + MAX_OWN <= 1 << SLOT_BITS, "each has a slot");

pub(super) type Outcome = Result<Answer, Failure>;

/// What became of a reply.
#[derive(Debug)]
pub(super) enum Delivered {
    /// Its call has it, and waits for it with this waker.
    ToItsCall(Option<Waker>),
    /// Its call has ended. This is the first reply to it, as far as that is known.
    TooLate,
    /// Its call has had a reply already.
    Twice,
    /// No call that was sent ever had its id.
    ToNobody,
}

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
    /// Calls that have so little time left that they are written one at a time, after all others.
    aside: VecDeque<u64>,
    /// Bytes of calls alone.
    queued_bytes: usize,
    backlog: Backlog,
    /// Calls were held back when requests were last taken to be written.
    is_held: bool,
    /// Bytes of requests that were taken to be written.
    taken: u64,
    closed: Option<Failure>,
    limits: Limits,
    counts: Counts,
}

#[derive(Debug)]
struct Slot {
    /// 0 for a free slot: no call has it.
    id: u64,
    waker: Option<Waker>,
    stage: Stage,
    /// The id of a call that had this slot and has had a reply: the last of which one came.
    replied: u64,
}

/// How far a request had come that its caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Nothing of it was written: the plugin does not read.
    Queued,
    /// Nothing of it was written: it was not its turn. Meanwhile the plugin has answered others.
    Held,
    /// The same, and the plugin has answered nobody.
    Stuck,
    /// The plugin may have seen it, since this moment, where it may have been held back until then.
    Sent(Option<Instant>),
}

impl Came {
    pub(super) fn sent(self) -> Sent {
        match self {
            Self::Queued | Self::Held | Self::Stuck => Sent::Nothing,
            Self::Sent(_) => Sent::Maybe,
        }
    }

    /// What it waited for.
    pub(super) fn stage(self) -> &'static str {
        match self {
            Self::Queued => "waiting until the plugin reads",
            Self::Held | Self::Stuck => "waiting until the plugin has done calls that were given up",
            Self::Sent(_) => "on the plugin",
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// Written to nobody yet; can be withdrawn without a trace.
    Queued(Waiting),
    /// The plugin may have seen it.
    Sent {
        /// Where it begins in all that was written.
        start: u64,
        /// When it was written, where it may have been held back until then.
        held_until: Option<Instant>,
    },
    /// It was taken to be written, and the plugin has not got the first byte of it.
    Unsent,
    /// The outcome waits for the caller to fetch it.
    Done(Outcome),
    Free,
}

#[derive(Debug)]
struct Waiting {
    frame: Frame,
    /// Until when its caller waits, where that is known.
    deadline: Option<Instant>,
    /// How far the plugin had come when it was queued.
    then: Progress,
    /// It waits for a turn of those that have little time.
    is_aside: bool,
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
            aside: VecDeque::new(),
            queued_bytes: 0,
            backlog: Backlog::new(),
            is_held: false,
            taken: 0,
            closed: None,
            limits: Limits { in_flight: limits.in_flight.clamp(1, MAX_IN_FLIGHT), ..limits },
            counts: Counts::default(),
        }
    }

    /// Queues a request. One of the host's own passes while new calls are refused, and is outside of the bounds of calls:
    /// that many of them wait says nothing of the plugin's health.
    pub(super) fn insert(
        &mut self,
        mut frame: Frame,
        waker: Waker,
        place: Place,
        deadline: Option<Instant>,
    ) -> Result<u64, Failure> {
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
            self.slots.push(Slot { id: 0, waker: None, stage: Stage::Free, replied: 0 });
            self.slots.len() - 1
        });
        self.calls += 1;
        let number = self.first.wrapping_add(self.calls) & COUNT;
        let id = TAG | if own { OWN } else { 0 } | (number << SLOT_BITS) | index as u64;
        frame.set_id(id);
        if own {
            self.own += 1;
        } else {
            self.queued_bytes += frame.len();
        }
        let queue = if place == Place::Ahead { &mut self.ahead } else { &mut self.queue };
        queue.push_back(id);
        let waiting = Waiting { frame, deadline, then: self.backlog.progress(), is_aside: false };
        let slot = &mut self.slots[index];
        (slot.id, slot.waker, slot.stage) = (id, Some(waker), Stage::Queued(waiting));
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

    /// Forgets a call that nobody waits for, and says how far it had come. A reply that comes later is counted and dropped.
    pub(super) fn forget(&mut self, id: u64, now: impl FnOnce() -> Instant) -> Came {
        let came = match self.release(id) {
            Some(Stage::Queued(Waiting { then, is_aside, .. })) if (self.is_held || is_aside) && id & OWN == 0 => {
                self.backlog.missed(now);
                if self.backlog.progress().has_moved(then) { Came::Held } else { Came::Stuck }
            }
            Some(Stage::Queued(..) | Stage::Unsent | Stage::Done(Err(Failure::Lost(_, Sent::Nothing)))) => Came::Queued,
            Some(Stage::Sent { start, held_until }) if id & OWN == 0 => {
                self.backlog.given_up(place(start), now);
                Came::Sent(held_until)
            }
            _ => Came::Sent(None),
        };
        // Ids of withdrawn requests stay in the queue until they outnumber what can be live.
        let slots = &self.slots;
        let calls = self.limits.in_flight + MAX_OWN;
        for (queue, live) in [(&mut self.queue, calls), (&mut self.aside, calls), (&mut self.ahead, MAX_OWN)] {
            if queue.len() > 2 * live {
                queue.retain(|id| slots.get(index(*id)).is_some_and(|slot| slot.id == *id));
            }
        }
        came
    }

    /// Moves queued requests into `out`, in order, until it holds `enough` bytes. From here on they count as sent. Calls
    /// that are held back stay, because of what the plugin has to do for nobody: then it says until when at the latest.
    pub(super) fn take_queued(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
        now: impl Fn() -> Instant,
    ) -> Option<Instant> {
        self.is_held = false;
        while out.len() < enough {
            let id = match self.next(&now) {
                Ok(id) => id?,
                Err(until) => return Some(until),
            };
            let (start, number) = (self.taken, self.number(id));
            let Some(slot) = self.slot(id) else { continue };
            let sent = Stage::Sent { start, held_until: None };
            let Stage::Queued(Waiting { frame, deadline, .. }) = std::mem::replace(&mut slot.stage, sent) else {
                continue;
            };
            if id & OWN == 0 {
                self.queued_bytes -= frame.len();
                let held_until = self.backlog.wrote(place(start), number, deadline, &now);
                if held_until.is_some()
                    && let Some(slot) = self.slot(id)
                {
                    slot.stage = Stage::Sent { start, held_until };
                }
            }
            self.taken += frame.len() as u64;
            if out.is_empty() {
                *out = frame.into_bytes();
            } else {
                out.extend_from_slice(&frame.into_bytes());
            }
        }
        None
    }

    /// The next request to be written. `Err`: until when at the latest all that wait are held back.
    fn next(&mut self, now: &impl Fn() -> Instant) -> Result<Option<u64>, Instant> {
        if let Some((id, _)) = first(&mut self.ahead, &mut self.slots) {
            self.ahead.pop_front();
            return Ok(Some(id));
        }
        // What is said last, on the way to an end, must not wait for anything.
        let is_last = self.closed.is_some();
        while let Some((id, waiting)) = first(&mut self.queue, &mut self.slots) {
            let admitted = if is_last { Ok(()) } else { self.backlog.admit(waiting.deadline, now) };
            if let Err(Hold::All(until)) = admitted {
                self.is_held = true;
                return Err(until);
            }
            waiting.is_aside = admitted.is_err();
            self.queue.pop_front();
            if admitted.is_ok() {
                return Ok(Some(id));
            }
            self.aside.push_back(id);
        }
        let Some((id, deadline)) = self.most_patient() else { return Ok(None) };
        if !is_last {
            match self.backlog.admit(deadline, now) {
                Ok(()) => {}
                Err(Hold::All(until)) => return Err(until),
                Err(Hold::Late) => self.backlog.admit_late(now)?,
            }
        }
        self.aside.retain(|other| *other != id);
        Ok(Some(id))
    }

    /// Of the calls that have little time, the one that has most. Whoever comes last need not be it.
    fn most_patient(&mut self) -> Option<(u64, Option<Instant>)> {
        let Self { aside, slots, .. } = self;
        let deadline = |id: u64| Some((id, queued(slots, id)?.deadline));
        aside.retain(|id| deadline(*id).is_some());
        aside.iter().filter_map(|id| deadline(*id)).max_by_key(|(_, deadline)| *deadline)
    }

    /// Bytes of requests that were taken to be written so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Of all that was taken to be written, nothing from this byte on has reached the plugin, and nothing will.
    pub(super) fn unsent_from(&mut self, byte: u64) {
        for slot in &mut self.slots {
            if matches!(slot.stage, Stage::Sent { start, .. } if start >= byte) {
                slot.stage = Stage::Unsent;
            }
        }
    }

    /// Delivers a reply to its call, and says what became of it.
    pub(super) fn complete(&mut self, id: u64, outcome: Outcome, now: impl FnOnce() -> Instant) -> Delivered {
        let number = self.number(id);
        if let Some(slot) = self.slot(id) {
            match slot.stage {
                Stage::Sent { start, .. } => {
                    slot.stage = Stage::Done(outcome);
                    slot.replied = id;
                    let waker = slot.waker.take();
                    if id & OWN == 0 {
                        self.backlog.answered(place(start), now);
                    }
                    return Delivered::ToItsCall(waker);
                }
                // A reply to a request that was not sent yet can only be a guess.
                Stage::Queued(..) | Stage::Unsent => return Delivered::ToNobody,
                Stage::Done(_) | Stage::Free => {}
            }
        }
        if !self.is_known(id) {
            return Delivered::ToNobody;
        }
        self.counts.late += 1;
        if id & OWN == 0 {
            self.backlog.answered_late(number, now);
        }
        match self.slots.get_mut(index(id)) {
            Some(slot) if slot.replied == id => Delivered::Twice,
            Some(slot) => {
                slot.replied = id;
                Delivered::TooLate
            }
            None => Delivered::TooLate,
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
                Stage::Queued(..) | Stage::Unsent => Sent::Nothing,
                Stage::Sent { .. } => Sent::Maybe,
                Stage::Done(_) | Stage::Free => continue,
            };
            slot.stage = Stage::Done(Err(Failure::Lost(why.clone(), sent)));
            wake.extend(slot.waker.take());
        }
        self.ahead.clear();
        self.queue.clear();
        self.aside.clear();
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

    pub(super) fn progress(&self) -> Progress {
        self.backlog.progress()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { in_flight: self.in_flight(), abandoned: self.backlog.abandoned(), ..self.counts }
    }

    /// Whether a call ever had this id.
    fn is_known(&self, id: u64) -> bool {
        id & TAG_BITS == TAG && (1..=self.calls).contains(&self.number(id))
    }

    /// Requests are numbered in the order in which they came.
    fn number(&self, id: u64) -> u64 {
        (id >> SLOT_BITS).wrapping_sub(self.first) & COUNT
    }

    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        self.slots.get_mut(index(id)).filter(|slot| slot.id == id && id != 0)
    }

    fn release(&mut self, id: u64) -> Option<Stage> {
        let slot = self.slot(id)?;
        slot.id = 0;
        slot.waker = None;
        let stage = std::mem::replace(&mut slot.stage, Stage::Free);
        self.free.push(index(id));
        match &stage {
            _ if id & OWN != 0 => self.own -= 1,
            Stage::Queued(waiting) => self.queued_bytes -= waiting.frame.len(),
            _ => {}
        }
        Some(stage)
    }
}

/// The place of a request in all that was written, as the backlog counts it: 0 is before all.
fn place(start: u64) -> u64 {
    start + 1
}

/// The first of a queue, without those that were withdrawn.
fn first<'a>(queue: &mut VecDeque<u64>, slots: &'a mut [Slot]) -> Option<(u64, &'a mut Waiting)> {
    while queue.front().is_some_and(|id| queued(slots, *id).is_none()) {
        queue.pop_front();
    }
    let id = *queue.front()?;
    match &mut slots.get_mut(index(id))?.stage {
        Stage::Queued(waiting) => Some((id, waiting)),
        _ => None,
    }
}

/// A request that was not written and not withdrawn.
fn queued(slots: &[Slot], id: u64) -> Option<&Waiting> {
    match slots.get(index(id)).filter(|slot| slot.id == id)? {
        Slot { stage: Stage::Queued(waiting), .. } => Some(waiting),
        _ => None,
    }
}

fn index(id: u64) -> usize {
    (id & ((1 << SLOT_BITS) - 1)) as usize
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
