//! The calls in flight, and the requests that wait to be written. No I/O, no lock; whoever moves it brings the clock.

mod abandoned;
mod ids;
mod queues;
mod slots;

use std::task::Waker;

use plugin_core::{Code, Sent, clock::Instant};

pub(super) use self::{abandoned::Came, slots::Outcome};
pub(crate) use self::{ids::MAX_IN_FLIGHT, slots::Treatment};
use self::{
    ids::{Ids, MAX_OWN, is_own},
    queues::Queues,
    slots::{SlotStage, Slots, Waiting},
};
use super::{
    super::codec::Frame,
    Counts, Failure, LineLimits, Loss, Place,
    backlog::{Backlog, Caller, Progress},
};

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
    ids: Ids,
    slots: Slots,
    /// Slots of the host's own requests, which are no calls.
    own: usize,
    queues: Queues,
    /// Bytes of calls alone.
    queued_bytes: usize,
    backlog: Backlog,
    /// Bytes of requests that were taken to be written.
    taken: u64,
    closed: Option<Failure>,
    limits: LineLimits,
    counts: Counts,
}

impl Table {
    pub(super) fn new(limits: LineLimits) -> Self {
        Self {
            ids: Ids::new(),
            slots: Slots::default(),
            own: 0,
            queues: Queues::default(),
            queued_bytes: 0,
            backlog: Backlog::default(),
            taken: 0,
            closed: None,
            limits: LineLimits { in_flight: limits.in_flight.clamp(1, MAX_IN_FLIGHT), ..limits },
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
        caller: Caller,
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
        let id = self.ids.next(self.slots.take(), own);
        frame.set_id(id);
        if own {
            self.own += 1;
        } else {
            self.queued_bytes += frame.len();
        }
        self.queues.push(id, place);
        let waiting = Waiting { frame, caller, then: self.backlog.progress(), is_aside: false };
        self.slots.queue(id, waker, waiting);
        Ok(id)
    }

    /// Fetches the outcome, or leaves this waker.
    pub(super) fn fetch(&mut self, id: u64, waker: &Waker) -> Option<(Outcome, Treatment)> {
        let slot = self.slots.get_mut(id)?;
        if !matches!(slot.stage, SlotStage::Done(..)) {
            match &mut slot.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            return None;
        }
        match self.release(id) {
            Some(SlotStage::Done(outcome, turn)) => Some((outcome, turn)),
            _ => None,
        }
    }

    /// Forgets a call that nobody waits for, and says how far it had come. A reply that comes later is counted and dropped.
    pub(super) fn forget(&mut self, id: u64, now: impl FnOnce() -> Instant) -> Came {
        let came = match self.release(id) {
            Some(SlotStage::Queued(Waiting { then, is_aside, .. }))
                if (self.queues.is_held || is_aside) && !is_own(id) =>
            {
                self.backlog.missed(now);
                if self.backlog.progress().has_moved(then) { Came::Held } else { Came::Stuck }
            }
            Some(
                SlotStage::Queued(..) | SlotStage::Unsent | SlotStage::Done(Err(Failure::Lost(_, Sent::Nothing)), _),
            ) => Came::Queued,
            Some(SlotStage::Sent { start, held_until, after }) if !is_own(id) => {
                match self.backlog.given_up(place(start), now) {
                    true => Came::Behind,
                    false => Came::Sent(Treatment { held_until, others_answered: self.backlog.has_answered(after) }),
                }
            }
            _ => Came::Sent(Treatment::default()),
        };
        self.queues.tidy(&self.slots, self.limits.in_flight);
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
        while out.len() < enough {
            let id = match self.queues.next(&mut self.slots, &mut self.backlog, self.closed.is_some(), &now) {
                Ok(id) => id?,
                Err(until) => return Some(until),
            };
            let start = self.taken;
            let Some(slot) = self.slots.get_mut(id) else { continue };
            let after = self.backlog.join();
            let sent = SlotStage::Sent { start, held_until: None, after };
            let SlotStage::Queued(Waiting { frame, caller, .. }) = std::mem::replace(&mut slot.stage, sent) else {
                continue;
            };
            if !is_own(id) {
                self.queued_bytes -= frame.len();
                let number = self.ids.number(id);
                let held_until = self.backlog.wrote(place(start), number, caller, &now);
                slot.stage = SlotStage::Sent { start, held_until, after };
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

    /// Bytes of requests that were taken to be written so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Of all that was taken to be written, nothing from this byte on has reached the plugin, and nothing will.
    pub(super) fn unsent_from(&mut self, byte: u64) {
        for slot in self.slots.iter_mut() {
            if matches!(slot.stage, SlotStage::Sent { start, .. } if start >= byte) {
                slot.stage = SlotStage::Unsent;
            }
        }
    }

    /// Delivers a reply to its call, and says what became of it.
    pub(super) fn complete(&mut self, id: u64, outcome: Outcome, now: impl FnOnce() -> Instant) -> Delivered {
        let said = outcome.as_ref().ok().map(|answer| answer.result.as_ref().map_err(|fault| fault.code));
        let (is_result, has_run_out) = (matches!(said, Some(Ok(_))), matches!(said, Some(Err(Code::Timeout))));
        if let Some(slot) = self.slots.get_mut(id) {
            match slot.stage {
                SlotStage::Sent { start, held_until, after } => {
                    let turn = Treatment { held_until, others_answered: self.backlog.has_answered(after) };
                    slot.stage = SlotStage::Done(outcome, turn);
                    slot.replied = id;
                    let waker = slot.waker.take();
                    match is_own(id) {
                        true => {}
                        false if has_run_out => self.backlog.ran_out(place(start), now),
                        false => self.backlog.answered(place(start), is_result, now),
                    }
                    return Delivered::ToItsCall(waker);
                }
                // A reply to a request that was not sent yet can only be a guess.
                SlotStage::Queued(..) | SlotStage::Unsent => return Delivered::ToNobody,
                SlotStage::Done(..) | SlotStage::Free => {}
            }
        }
        if !self.ids.is_known(id) {
            return Delivered::ToNobody;
        }
        self.counts.late += 1;
        match self.slots.of_old(id) {
            Some(slot) if slot.replied == id => return Delivered::Twice,
            Some(slot) => slot.replied = id,
            None => {}
        }
        if !is_own(id) {
            self.backlog.answered_late(self.ids.number(id), is_result, now);
        }
        Delivered::TooLate
    }

    pub(super) fn count_noise(&mut self) {
        self.counts.noise += 1;
    }

    /// Refuses new calls; those in flight go on.
    pub(super) fn refuse_new(&mut self) {
        self.closed.get_or_insert(Failure::Closing);
    }

    /// The same, and calls that were not taken to be written end like those that come now: there is another who takes them.
    pub(super) fn hand_over(&mut self, wake: &mut Vec<Waker>) {
        self.refuse_new();
        for slot in self.slots.calls_mut().filter(|slot| matches!(slot.stage, SlotStage::Queued(..))) {
            slot.stage = SlotStage::Done(Err(Failure::Closing), Treatment::default());
            wake.extend(slot.waker.take());
        }
        self.queued_bytes = 0;
    }

    /// Fails every call in flight, and every call to come. Only the first reason counts.
    pub(super) fn close(&mut self, loss: &Loss, wake: &mut Vec<Waker>) {
        if matches!(self.closed, None | Some(Failure::Closing)) {
            self.closed = Some(Failure::Lost(loss.clone(), Sent::Nothing));
        }
        for slot in self.slots.iter_mut() {
            let sent = match slot.stage {
                SlotStage::Queued(..) | SlotStage::Unsent => Sent::Nothing,
                SlotStage::Sent { .. } => Sent::Maybe,
                SlotStage::Done(..) | SlotStage::Free => continue,
            };
            slot.stage = SlotStage::Done(Err(Failure::Lost(loss.clone(), sent)), Treatment::default());
            wake.extend(slot.waker.take());
        }
        self.queues.clear();
        self.queued_bytes = 0;
    }

    /// Calls that somebody waits for, and that the plugin may have seen.
    pub(super) fn sent(&self) -> usize {
        self.slots.sent(|id| !is_own(id))
    }

    /// Calls that are not over for their callers.
    pub(super) fn in_flight(&self) -> usize {
        self.requests() - self.own
    }

    /// The same with the host's own requests.
    pub(super) fn requests(&self) -> usize {
        self.slots.used()
    }

    pub(super) fn progress(&self) -> Progress {
        self.backlog.progress()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { in_flight: self.in_flight(), abandoned: self.backlog.abandoned(), ..self.counts }
    }

    fn release(&mut self, id: u64) -> Option<SlotStage> {
        let stage = self.slots.release(id)?;
        match &stage {
            _ if is_own(id) => self.own -= 1,
            SlotStage::Queued(waiting) => self.queued_bytes -= waiting.frame.len(),
            _ => {}
        }
        Some(stage)
    }
}

/// The place of a request in all that was written, as the backlog counts it: 0 is before all.
fn place(start: u64) -> u64 {
    start + 1
}

#[cfg(test)]
mod tests;
