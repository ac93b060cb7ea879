//! The permit of a call.

use std::{fmt, sync::Arc};

use super::limit::LimitState;

/// The right to be in flight. Dropping it gives the place to whoever is next in line, or frees it.
///
/// It may be kept for as long as the work takes that it stands for, also in another task or beyond the limit that it is from.
#[must_use = "the place is free again as soon as the permit is dropped"]
pub struct Permit {
    state: Arc<LimitState>,
}

impl Permit {
    /// The permit of a place that was taken.
    #[inline]
    pub(super) fn new(state: Arc<LimitState>) -> Self {
        Self { state }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.state.leave();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
