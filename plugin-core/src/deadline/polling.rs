//! What a thread knows of the call that it is polling, in one place.
//!
//! A layer that owns a limit tells those further in of it, and hears from them what they wait for. All of that is here, in
//! one cell of plain words that is saved and put back once for each layer and poll, because every call pays for it twice,
//! at the deadline and at the attempt's limit. What the words mean is said by those who own them: [`cut`](super::cut) the
//! time of what is polled, [`enforced`](super::enforced) its deadline, [`waiting`](super::waiting) what is heard.

use std::cell::Cell;

use super::note::Note;
use crate::clock::Instant;

/// Stands for no limit, in nanoseconds.
pub(super) const UNLIMITED: u64 = u64::MAX;

/// A call that is limited, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) since: Instant,
    /// Nanoseconds that it may take as it was configured, or [`UNLIMITED`].
    pub(super) limit: u64,
    /// When that time is up, whatever its caller allows; [`Instant::MAX`] without a limit. It counts from when the request
    /// came, which may be before `since`.
    pub(super) whole: Instant,
}

/// When the time is up that a call may take as it was configured, where its caller gave it so many nanoseconds until its
/// deadline.
#[inline]
pub(super) fn whole(deadline: Instant, given: u64, configured: u64) -> Instant {
    if configured == UNLIMITED {
        return Instant::MAX;
    }
    Instant::from_nanos(deadline.as_nanos().saturating_sub(given).saturating_add(configured))
}

impl Part {
    /// Everything there is: what is narrowed to it stays what it was.
    const WHOLE: Self = Self { since: Instant::ZERO, limit: UNLIMITED, whole: Instant::MAX };

    /// A part of this part.
    #[inline]
    pub(super) fn narrowed(self, part: Self) -> Self {
        Self { since: self.since.max(part.since), limit: self.limit.min(part.limit), whole: self.whole.min(part.whole) }
    }

    /// A call that is made within this part, and has a limit of its own. What is configured for whoever makes it says nothing of how
    /// long the service may take that is called: only how long it is waited for.
    #[inline]
    pub(super) fn of_call(self, call: Self) -> Self {
        let Self { limit, whole, .. } = if call.limit == UNLIMITED { self } else { call };
        Self { since: self.since.max(call.since), limit, whole }
    }
}

/// The cell of a thread.
pub(super) struct Polling {
    /// Somebody listens. Nobody: then nothing was heard.
    pub(super) listens: Cell<bool>,
    /// Somebody limits what is polled. Nobody: then it is the [whole](Part::WHOLE).
    pub(super) limits: Cell<bool>,
    pub(super) part: Cell<Part>,
    /// [`Instant::MAX`] stands for none.
    pub(super) enforced: Cell<Instant>,
    /// When the last caller leaves of the shared call that is polled; [`Instant::MAX`] stands for never. Not saved by who
    /// listens: only a shared call sets it.
    pub(super) awaited: Cell<Instant>,
    /// Nanoseconds that the attempt may take, [`UNLIMITED`], or 0 where nobody limits attempts.
    pub(super) attempt: Cell<u64>,
    pub(super) stage: Cell<Option<&'static str>>,
    pub(super) timer: Cell<Instant>,
    /// [`Instant::ZERO`] stands for none.
    pub(super) now: Cell<Instant>,
}

thread_local! {
    /// It is there until the thread's very end: there is nothing in it to drop.
    static POLLING: Polling = const {
        Polling {
            listens: Cell::new(false),
            limits: Cell::new(false),
            part: Cell::new(Part::WHOLE),
            enforced: Cell::new(Instant::MAX),
            awaited: Cell::new(Instant::MAX),
            attempt: Cell::new(0),
            stage: Cell::new(None),
            timer: Cell::new(Instant::MAX),
            now: Cell::new(Instant::ZERO),
        }
    };
}

/// Reads or writes the cell.
#[inline]
pub(super) fn with<T>(f: impl FnOnce(&Polling) -> T) -> T {
    POLLING.with(f)
}

/// A layer listens. Puts back what a poll has changed when it goes, also when what was polled panics.
#[must_use = "it listens for as long as it lives"]
pub(super) struct Listening {
    listens: bool,
    limits: bool,
    part: Part,
    enforced: Instant,
    attempt: u64,
    stage: Option<&'static str>,
    timer: Instant,
    now: Instant,
}

impl Drop for Listening {
    #[inline]
    fn drop(&mut self) {
        with(|cell| {
            cell.listens.set(self.listens);
            cell.limits.set(self.limits);
            cell.part.set(self.part);
            cell.enforced.set(self.enforced);
            cell.attempt.set(self.attempt);
            cell.stage.set(self.stage);
            cell.timer.set(self.timer);
            cell.now.set(self.now);
        });
    }
}

/// Begins to listen, for one poll. What the layer tells those further in, it says in `tell`.
///
/// A guard and not a function around the poll: an answer then stays where it was written.
#[inline]
pub(super) fn listening(tell: impl FnOnce(&Polling)) -> Listening {
    with(|cell| {
        let listening = Listening {
            listens: cell.listens.replace(true),
            limits: cell.limits.get(),
            part: cell.part.get(),
            enforced: cell.enforced.get(),
            attempt: cell.attempt.get(),
            stage: cell.stage.replace(None),
            timer: cell.timer.replace(Instant::MAX),
            now: cell.now.get(),
        };
        tell(cell);
        listening
    })
}

impl Listening {
    /// What was heard, where the poll was pending. Those further out hear it too.
    #[inline]
    pub(super) fn heard(mut self, is_pending: bool) -> Note {
        if !is_pending {
            return Note { stage: None, timer: Instant::MAX, now: None };
        }
        with(|cell| {
            let (stage, timer, now) = (cell.stage.get(), cell.timer.get(), cell.now.get());
            if self.listens {
                self.stage = self.stage.or(stage);
                self.timer = self.timer.min(timer);
                self.now = now;
            }
            Note { stage, timer, now: (now != Instant::ZERO).then_some(now) }
        })
    }
}

impl Polling {
    /// Tells how long an attempt may take, where nobody further out allows it less, and gives back what was told before.
    #[inline]
    pub(super) fn limit_attempt(&self, limit: u64) -> u64 {
        let before = self.attempt.get();
        // Of a limit of nothing there is a nanosecond left, so that it is told from nobody's.
        self.attempt.set(if before == 0 { limit.max(1) } else { before.min(limit.max(1)) });
        before
    }

    /// Tells that a call of what is polled so far is limited.
    #[inline]
    pub(super) fn limit_call(&self, call: Part) {
        self.limits.set(true);
        self.part.set(self.part.get().of_call(call));
    }

    /// Tells that a part of what is polled so far is limited.
    #[inline]
    pub(super) fn limit(&self, part: Part) {
        self.limits.set(true);
        self.part.set(self.part.get().narrowed(part));
    }
}
