//! Getting into the line, asking for one's turn, going away.

use std::task::Waker;

use plugin_core::{
    Code, Rejected,
    clock::{self, Instant},
    deadline::enforced,
};

use super::{
    ConcurrencyLimit, Permit,
    line::{End, Found, Place, Settled},
    rare::Rare,
};
use crate::wake::wake_all;

/// What somebody finds who asks for its turn.
pub(super) enum Turn {
    Done(Result<Permit, Rejected>),
    Waiting,
}

/// A wait that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) place: Place,
    /// When it ends without a permit: [`Instant::MAX`] where somebody further out drops it before.
    pub(super) until: Instant,
    /// What it is told then.
    late: Code,
    /// [`Rare::ended`] when it began.
    ended: u64,
}

impl ConcurrencyLimit {
    /// Gets in line.
    pub(super) fn line_up(&self, priority: i16, waker: Waker) -> Result<Wait, Result<Permit, Rejected>> {
        let present = waker.clone();
        let mut rare = self.0.rare();
        let mut woken = Vec::new();
        let now = clock::now();
        if rare.config.queue() == 0 || !self.is_enabled() {
            // It was changed since somebody looked.
            drop((rare, waker));
            return Err(self.try_acquire());
        }
        // Newcomers are turned away from here on, and who leaves comes to the lock.
        self.0.gate.set_waiting(true);
        let lined_up = self.find_room(&mut rare, priority, now, &mut woken).map(|wait| {
            let place = rare.line.push(priority, present, now);
            Wait { place, ..wait }
        });
        woken.extend(self.0.serve(&mut rare));
        let turn = lined_up.map(|wait| {
            let (found, old) = rare.line.look(wait.place, waker);
            (wait, found, old)
        });
        self.0.publish(&mut rare);
        drop(rare);
        wake_all(woken);
        match turn {
            Ok((wait, Found::Waiting, _)) => Ok(wait),
            Ok((_, Found::Settled(settled), _)) => Err(self.settled(settled)),
            Err(code) => Err(Err(self.refuse(Rejected::new(code)))),
        }
    }

    /// Whether a newcomer may wait: it is important enough, there is room for it, or for it and not for another one, and it may be
    /// served in time.
    fn find_room(&self, rare: &mut Rare, priority: i16, now: Instant, woken: &mut Vec<Waker>) -> Result<Wait, Code> {
        if self.0.prioritizer.as_ref().is_some_and(|prioritizer| prioritizer.refuses(priority, now)) {
            return Err(Code::Shed);
        }
        let (longest, late) = rare.longest(now);
        let limit = now.saturating_add(longest);
        let deadline = enforced().unwrap_or(Instant::MAX);
        let from = rare.end(now);
        let time = limit.min(deadline).saturating_since(now);
        if rare.line.pace.is_hopeless(rare.line.ahead(priority, from), time) {
            return Err(Code::QueueFull);
        }
        if rare.line.len() >= rare.config.queue() as usize {
            // Somebody is served after the newcomer: of lower priority, or older where the newest comes first.
            let last = rare.line.last(from).filter(|last| match from {
                End::Oldest => last.is_after(priority),
                End::Newest => !last.is_before(priority),
            });
            let last = last.ok_or(Code::QueueFull)?;
            woken.extend(rare.line.settle(last, Settled::Refused(Code::Shed)));
        }
        // Where the deadline comes first it ends the wait: its layer drops the call and says what that means.
        let until = if deadline <= limit { Instant::MAX } else { limit };
        Ok(Wait { place: Place::NOWHERE, until, late, ended: rare.ended })
    }

    /// Asks whether it is this one's turn.
    pub(super) fn ask(&self, wait: &Wait, waker: Waker) -> Turn {
        // The old waker is dropped last: a place that was taken out of the line is a permit by then, whatever the waker does.
        let (found, _old) = self.0.rare().line.look(wait.place, waker);
        match found {
            Found::Settled(settled) => Turn::Done(self.settled(settled)),
            Found::Waiting => Turn::Waiting,
        }
    }

    /// Its time is up. A permit that it was handed meanwhile is its own.
    pub(super) fn give_up(&self, wait: &Wait) -> Result<Permit, Rejected> {
        match self.leave_line(wait) {
            Some(settled) => self.settled(settled),
            None => Err(self.refuse(Rejected::new(wait.late))),
        }
    }

    /// It goes away. A permit that it was handed and never took goes to the next. Says whether calls have ended since it
    /// began to wait.
    pub(super) fn abandon(&self, wait: &Wait) -> bool {
        let others_ended = self.0.rare().ended != wait.ended;
        if let Some(Settled::Served(_)) = self.leave_line(wait) {
            self.0.leave();
        }
        others_ended
    }

    fn leave_line(&self, wait: &Wait) -> Option<Settled> {
        let mut rare = self.0.rare();
        let left = rare.line.leave(wait.place);
        let woken = self.0.serve(&mut rare);
        self.0.publish(&mut rare);
        drop(rare);
        drop(left.waker);
        wake_all(woken);
        left.settled
    }

    fn settled(&self, settled: Settled) -> Result<Permit, Rejected> {
        match settled {
            Settled::Served(with) => Ok(self.admit(with)),
            Settled::Passed => Ok(Permit::empty()),
            Settled::Refused(code) => Err(self.refuse(Rejected::new(code))),
        }
    }
}
