//! From where to where a value may be.

use std::ops::Bound;

/// From where to where a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    /// The least.
    pub low: Bound<T>,
    /// The greatest.
    pub high: Bound<T>,
}

impl<T> Bounds<T> {
    /// From `low` to `high`, both inside.
    #[must_use]
    pub const fn from_to(low: T, high: T) -> Self
    where
        T: Copy,
    {
        Self { low: Bound::Included(low), high: Bound::Included(high) }
    }
}

impl<T: PartialOrd> Bounds<T> {
    /// Whether a value is inside.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool {
        std::ops::RangeBounds::contains(&(self.low.as_ref(), self.high.as_ref()), value)
    }
}
