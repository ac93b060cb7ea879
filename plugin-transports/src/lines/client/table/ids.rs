//! The id of a request: a number that tells its slot and is never used twice.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// The most calls that can be in flight.
pub(crate) const MAX_IN_FLIGHT: usize = 1 << 16;

/// The most requests of the host's own that can be in flight beside the calls.
pub(super) const MAX_OWN: usize = 64;

const _: () = assert!(MAX_IN_FLIGHT + MAX_OWN <= 1 << SLOT_BITS, "each has a slot");

/// The low bits of an id are the slot, those above it count calls. So an id is found without hashing, and the id of a call
/// that is over never equals the id of the call that has its slot now.
pub(super) const SLOT_BITS: u32 = 17;

/// The count is of so many bits, and begins at random: what a caller can make a plugin log, or what it logs by itself, is no
/// other call's id.
const COUNT_BITS: u32 = 43;
pub(super) const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The bit above says that it is a request of the host's own, also when its slot is long another's.
const OWN: u64 = 1 << (SLOT_BITS + COUNT_BITS);

/// The three high bits. They make the first digit a letter, so that no decimal number is an id, and no digit can get lost
/// where an id is read as a number and written as one.
pub(super) const TAG: u64 = 0b101 << 61;
const TAG_BITS: u64 = 0b111 << 61;

#[derive(Debug)]
pub(super) struct Ids {
    /// Where the count begins.
    pub(super) first: u64,
    given: u64,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self { first: RandomState::new().build_hasher().finish(), given: 0 }
    }

    /// The id of a request that gets this slot, and whether it is the host's own.
    pub(super) fn next(&mut self, slot: usize, own: bool) -> u64 {
        self.given += 1;
        let number = self.first.wrapping_add(self.given) & COUNT;
        TAG | if own { OWN } else { 0 } | (number << SLOT_BITS) | slot as u64
    }

    /// Whether a request ever had this id.
    pub(super) fn is_known(&self, id: u64) -> bool {
        id & TAG_BITS == TAG && (1..=self.given).contains(&self.number(id))
    }

    /// Requests are numbered in the order in which they came.
    pub(super) fn number(&self, id: u64) -> u64 {
        (id >> SLOT_BITS).wrapping_sub(self.first) & COUNT
    }
}

/// Whether the request that has this id is the host's own, and no call.
pub(super) fn is_own(id: u64) -> bool {
    id & OWN != 0
}

/// The slot of the request that has this id.
pub(super) fn index(id: u64) -> usize {
    (id & ((1 << SLOT_BITS) - 1)) as usize
}
