//! The error of a change of the branches that cannot be made.

use std::{error::Error, fmt, sync::Arc};

/// A change of the branches of a traffic split that cannot be made. The split is as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchError {
    kind: BranchErrorKind,
    name: Arc<str>,
}

/// What is wrong with a change of the branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BranchErrorKind {
    /// A branch of this name is there already.
    Duplicate,
    /// No branch has this name.
    Unknown,
}

impl BranchError {
    pub(super) fn new(kind: BranchErrorKind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> BranchErrorKind {
        self.kind
    }

    /// The name of the branch.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for BranchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            BranchErrorKind::Duplicate => write!(f, "there is a branch named {name:?} already"),
            BranchErrorKind::Unknown => write!(f, "there is no branch named {name:?}"),
        }
    }
}

impl Error for BranchError {}
