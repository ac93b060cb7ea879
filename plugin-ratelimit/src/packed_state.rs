//! The state of a bucket, packed into one word.

use crate::gcra::LATEST;

/// The arrival time in the upper 60 bits, then three bits that count changes of settings, then one that says whether
/// somebody waits for tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedState(u64);

const WAITING: u64 = 1;
const GENERATION_SHIFT: u32 = 1;
const GENERATION_MASK: u64 = 0b111;
const ARRIVAL_SHIFT: u32 = 4;

impl PackedState {
    /// A full bucket under its first settings, and nobody waiting.
    pub(crate) const NEW: Self = Self(0);

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn arrival(self) -> u64 {
        self.0 >> ARRIVAL_SHIFT
    }

    pub(crate) const fn with_arrival(self, arrival: u64) -> Self {
        let arrival = if arrival < LATEST { arrival } else { LATEST };
        Self((arrival << ARRIVAL_SHIFT) | (self.0 & ((1 << ARRIVAL_SHIFT) - 1)))
    }

    /// Which settings this word belongs to. It comes round after eight changes.
    pub(crate) const fn generation(self) -> u64 {
        (self.0 >> GENERATION_SHIFT) & GENERATION_MASK
    }

    pub(crate) const fn with_next_generation(self) -> Self {
        let generation = (self.generation() + 1) & GENERATION_MASK;
        Self((self.0 & !(GENERATION_MASK << GENERATION_SHIFT)) | (generation << GENERATION_SHIFT))
    }

    pub(crate) const fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    pub(crate) const fn with_waiting(self, waiting: bool) -> Self {
        Self((self.0 & !WAITING) | waiting as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_word_do_not_touch_each_other() {
        let mut word = PackedState::NEW.with_arrival(u64::MAX);
        assert_eq!((word.arrival(), word.generation(), word.is_waiting()), (LATEST, 0, false));
        for arrival in [LATEST, 2, 0] {
            word = PackedState::NEW.with_arrival(arrival);
            for generation in 1..20 {
                word = word.with_next_generation().with_waiting(generation % 2 == 0);
                assert_eq!((word.arrival(), word.generation()), (arrival, generation % 8));
                assert_eq!(word.is_waiting(), generation % 2 == 0);
            }
        }
        assert_eq!(word.with_arrival(7).arrival(), 7);
    }
}
