//! A share of calls.

use std::fmt;

use plugin_core::{
    ConfigError,
    settings::{Key, Kind, Table},
};

/// The key of a share in each section that has one.
pub(super) const RATIO: Key =
    Key::new("ratio", Kind::positive(1.0), "The share of the window that opens the circuit.").required();

/// A share that stands in no section.
static ALONE: Table = Table::new("ratio", "A share of calls.", &[RATIO]);

/// A share of calls: more than 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// A share, such as 0.5.
    ///
    /// # Errors
    ///
    /// When it is not more than 0 and at most 1.
    pub fn new(share: f64) -> Result<Self, ConfigError> {
        ALONE.fits("ratio", share)?;
        Ok(Self(share))
    }

    /// One that was found to fit.
    pub(super) fn checked(share: f64) -> Self {
        Self(share)
    }

    /// The share as a number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// How many of `whole` reach this share: the share times `whole`, rounded up.
    #[must_use]
    pub fn of(self, whole: u32) -> u32 {
        (self.needed(f64::from(whole)).ceil()) as u32
    }

    /// Whether `part` of `whole` reaches this share.
    pub(crate) fn is_reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && part as f64 >= self.needed(whole as f64)
    }

    /// A tenth of 30 calls is 3, and not 4 because 0.1 * 30.0 is a little above 3.
    fn needed(self, whole: f64) -> f64 {
        self.0 * whole * (1.0 - 4.0 * f64::EPSILON)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_whole_is_rounded_up_and_rounding_errors_do_not_add_one() {
        let of = |share, whole| Ratio::new(share).expect("a share").of(whole);
        assert_eq!([of(0.1, 30), of(0.5, 100), of(0.5, 5), of(1.0, 7), of(0.001, 10)], [3, 50, 3, 7, 1]);
        for whole in 1..1000 {
            for part in 1..=whole {
                let share = f64::from(part) / f64::from(whole);
                assert_eq!(of(share, whole), part, "{part} of {whole}");
            }
        }
    }

    #[test]
    fn nothing_outside_zero_to_one_is_a_share() {
        for share in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
            assert!(Ratio::new(share).is_err(), "{share}");
        }
    }
}
