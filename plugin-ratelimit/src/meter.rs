//! A bucket that any number of threads take from: one word, and the settings it is read under.

use std::fmt;

use crate::{
    gcra::{self, Decision, Limit},
    packed_state::PackedState,
    sync::{AtomicU64, Ordering},
};

/// The word holds the arrival time and counts the changes of settings; its count picks one of two slots, so that new
/// settings are written beside those in use and come into force with the word that publishes them.
///
/// A slot is written again only after the word has moved on, and every decision ends by finding the word still under
/// the settings it was made with. So no decision mixes old settings with new ones, and nobody waits for anybody. That
/// nothing is limited is one word of a slot, and needs no second look.
pub(crate) struct Meter {
    packed: AtomicU64,
    slots: [Slot; 2],
}

struct Slot {
    interval: AtomicU64,
    tolerance: AtomicU64,
    window: AtomicU64,
}

/// On whose behalf tokens are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody who just came, and must not overtake those who wait.
    Newcomer,
    /// The first of those who wait.
    First,
}

/// What became of a quick try to take tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quick {
    /// Nothing is limited; nothing was taken.
    Unlimited,
    /// They were taken.
    Admitted,
    /// They were not. [`Meter::take`] says why.
    Refused,
}

/// What became of a try to take tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing is limited; nothing was taken.
    Unlimited,
    /// They were taken, and this is the bucket's arrival time since.
    Admitted { arrival: u64 },
    /// They are not there yet.
    Wait { reading: Reading, wait: u64 },
    /// They never will be.
    Never { burst: u64 },
    /// Others wait, and come first.
    Behind,
}

/// The bucket at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) limit: Limit,
    pub(crate) arrival: u64,
}

impl Meter {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { packed: AtomicU64::new(PackedState::NEW.bits()), slots: [Slot::new(limit), Slot::new(limit)] }
    }

    /// Whether anything is limited at this moment.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        // Acquire: as in `Slot::load`.
        self.slots[slot_of(self.load())].interval.load(Ordering::Acquire) != 0
    }

    /// Takes tokens for a newcomer. It is [`take`](Self::take) without the reasons, for the path of every request.
    #[inline]
    pub(crate) fn try_take(&self, tokens: u64, now: u64) -> Quick {
        let mut packed = self.load();
        loop {
            let limit = self.slots[slot_of(packed)].load_rate();
            if limit.is_unlimited() {
                return Quick::Unlimited;
            }
            if packed.is_waiting() {
                return Quick::Refused;
            }
            let Some(next) = limit.admit(packed.arrival(), now, tokens) else {
                return Quick::Refused;
            };
            match self.exchange(packed, packed.with_arrival(next)) {
                Ok(_) => return Quick::Admitted,
                Err(present) => packed = PackedState::from_bits(present),
            }
        }
    }

    /// Takes tokens, or says why not.
    pub(crate) fn take(&self, tokens: u64, who: Who, now: u64) -> Taken {
        let mut packed = self.load();
        loop {
            let limit = self.limit(packed);
            if limit.is_unlimited() {
                return Taken::Unlimited;
            }
            if packed.is_waiting() && who == Who::Newcomer {
                return Taken::Behind;
            }
            let arrival = packed.arrival();
            let refused = match limit.decide(arrival, now, tokens) {
                Decision::Admit(next) => match self.exchange(packed, packed.with_arrival(next)) {
                    Ok(_) => return Taken::Admitted { arrival: next },
                    Err(present) => {
                        packed = PackedState::from_bits(present);
                        continue;
                    }
                },
                Decision::Wait(wait) => Taken::Wait { reading: Reading { limit, arrival }, wait },
                Decision::Never => Taken::Never { burst: limit.burst() },
            };
            // A refusal writes nothing that could fail, so it looks again whether its settings still hold.
            let present = self.load();
            if present.generation() == packed.generation() {
                return refused;
            }
            packed = present;
        }
    }

    /// The settings in force and the arrival time.
    pub(crate) fn read(&self) -> Reading {
        let mut packed = self.load();
        loop {
            let limit = self.limit(packed);
            let present = self.load();
            if present.generation() == packed.generation() {
                return Reading { limit, arrival: present.arrival() };
            }
            packed = present;
        }
    }

    /// Puts new settings in force, and turns what is owed at the interval `from` into the same number of tokens at the
    /// interval `to`. Callers take turns: the bucket's lock is held.
    pub(crate) fn change(&self, limit: Limit, from: u64, to: u64, now: u64) {
        let mut packed = self.load();
        self.slots[slot_of(packed.with_next_generation())].store(limit);
        loop {
            let arrival = gcra::rescale(packed.arrival(), now, from, to);
            let next = packed.with_arrival(arrival).with_next_generation();
            // Release: publishes the slot to whoever loads this word, or one that later tries made of it.
            match self.packed.compare_exchange(packed.bits(), next.bits(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(present) => packed = PackedState::from_bits(present),
            }
        }
    }

    /// Gives tokens back that were taken when the arrival time became `taken`, and says by how much it moved.
    /// Not while [`change`](Self::change) runs: the bucket's lock is held.
    pub(crate) fn give_back(&self, tokens: u64, taken: u64, now: u64) -> u64 {
        let mut packed = self.load();
        loop {
            let cost = self.limit(packed).interval.saturating_mul(tokens);
            let next = packed.with_arrival(gcra::give_back(packed.arrival(), now, cost, taken));
            match self.exchange(packed, next) {
                Ok(_) => return packed.arrival() - next.arrival(),
                Err(present) => packed = PackedState::from_bits(present),
            }
        }
    }

    /// Makes newcomers line up, or stops it. The bucket's lock is held.
    pub(crate) fn set_waiting(&self, waiting: bool) {
        // Relaxed: who sees the bit takes the bucket's lock, and finds the line there; who does not see it yet came
        // before those who wait. A read-modify-write, so it keeps the release sequence that `change` began.
        if waiting {
            self.packed.fetch_or(PackedState::NEW.with_waiting(true).bits(), Ordering::Relaxed);
        } else {
            self.packed.fetch_and(!PackedState::NEW.with_waiting(true).bits(), Ordering::Relaxed);
        }
    }

    #[inline]
    fn exchange(&self, present: PackedState, next: PackedState) -> Result<u64, u64> {
        // Success is relaxed: only a number changes, and a read-modify-write keeps the release sequence that `change`
        // began. Failure acquires, for the reason given in `load`.
        self.packed.compare_exchange_weak(present.bits(), next.bits(), Ordering::Relaxed, Ordering::Acquire)
    }

    #[inline]
    fn load(&self) -> PackedState {
        // Acquire: pairs with the release in `change`, so that the slot which this word picks is as it was published.
        PackedState::from_bits(self.packed.load(Ordering::Acquire))
    }

    fn limit(&self, packed: PackedState) -> Limit {
        self.slots[slot_of(packed)].load()
    }
}

const fn slot_of(packed: PackedState) -> usize {
    (packed.generation() & 1) as usize
}

impl Slot {
    fn new(limit: Limit) -> Self {
        Self {
            interval: AtomicU64::new(limit.interval),
            tolerance: AtomicU64::new(limit.tolerance),
            window: AtomicU64::new(limit.window),
        }
    }

    /// What deciding takes, without the window.
    #[inline]
    fn load_rate(&self) -> Limit {
        // Acquire: as in `load`.
        Limit {
            interval: self.interval.load(Ordering::Acquire),
            tolerance: self.tolerance.load(Ordering::Acquire),
            window: 0,
        }
    }

    fn load(&self) -> Limit {
        // Acquire: pairs with the releases in `store`. Who reads a value of settings that are not yet in force has then
        // also seen that the word moved on, and finds out when it looks at the word again.
        Limit {
            interval: self.interval.load(Ordering::Acquire),
            tolerance: self.tolerance.load(Ordering::Acquire),
            window: self.window.load(Ordering::Acquire),
        }
    }

    fn store(&self, limit: Limit) {
        // Release: see `load`.
        self.interval.store(limit.interval, Ordering::Release);
        self.tolerance.store(limit.tolerance, Ordering::Release);
        self.window.store(limit.window, Ordering::Release);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}
