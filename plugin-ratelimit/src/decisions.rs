//! How often a layer let a request through, and how often not.

use plugin_core::{Rejected, sync::StripedCounter};

use crate::bucket::Acquired;

/// Counts the decisions of a layer.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    allowed: StripedCounter,
    refused: StripedCounter,
}

impl Decisions {
    /// Counts a decision, unless nothing was limited, and passes it on.
    #[inline]
    pub(crate) fn count(&self, decision: Result<Acquired, Rejected>) -> Result<(), Rejected> {
        match decision {
            Ok(Acquired::Taken) => {
                self.allowed.add(1);
                Ok(())
            }
            Ok(Acquired::Free) => Ok(()),
            Err(rejected) => {
                self.refused.add(1);
                Err(rejected)
            }
        }
    }

    pub(crate) fn allowed(&self) -> u64 {
        self.allowed.sum()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.sum()
    }
}
