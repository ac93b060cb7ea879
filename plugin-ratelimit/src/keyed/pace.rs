//! How fast the tokens of a key come back, in four bytes.

/// The interval that a debt was counted at, and whether it was the key's own or that of all keys.
///
/// The interval is kept as a number of 26 bits and a power of two: exact up to 67 ms and wherever its lower bits are zero
/// (as for a second or a minute), else too short by less than one part in 33 million. It is used only to turn a debt into
/// tokens after settings have changed, and a shorter interval makes it more tokens: nothing is given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(u32);

const DIGITS: u32 = 26;
const OWN: u32 = 1 << 31;

impl Pace {
    /// The pace of a key whose settings are those of all keys.
    #[inline]
    pub(super) const fn common(interval: u64) -> Self {
        let length = u64::BITS - interval.leading_zeros();
        let shift = length.saturating_sub(DIGITS);
        // Five bits are left for the shift: intervals are below 2^57 ns, two years and more.
        Self((shift << DIGITS) & !OWN | (interval >> shift) as u32)
    }

    /// The pace of a key that has settings of its own.
    #[inline]
    pub(super) const fn own(interval: u64) -> Self {
        Self(Self::common(interval).0 | OWN)
    }

    pub(super) const fn interval(self) -> u64 {
        let shift = (self.0 & !OWN) >> DIGITS;
        ((self.0 & ((1 << DIGITS) - 1)) as u64) << shift
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_intervals_are_exact() {
        let second = 1_000_000_000;
        for interval in [1, 100, 333_333, 67_000_000, second / 10, second / 2, second, 60 * second] {
            assert_eq!(Pace::common(interval).interval(), interval);
        }
    }

    #[test]
    fn a_key_with_settings_of_its_own_is_told_from_the_others_at_the_same_interval() {
        let (common, own) = (Pace::common(1_000), Pace::own(1_000));
        assert_ne!(own, common);
        assert_eq!(own.interval(), common.interval());
    }

    proptest! {
        #[test]
        fn it_is_never_longer_and_hardly_shorter(interval in 1u64..(1 << 57)) {
            for pace in [Pace::common(interval), Pace::own(interval)] {
                prop_assert!(pace.interval() <= interval);
                prop_assert!(interval - pace.interval() <= interval >> 25);
            }
        }
    }
}
