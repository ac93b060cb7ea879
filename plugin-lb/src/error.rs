//! The error of a change of the membership that cannot be made.

use std::{error::Error, fmt, sync::Arc};

use crate::Endpoint;

/// A change of the membership that cannot be made. The balancer is as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipError {
    kind: MembershipErrorKind,
    name: Arc<str>,
}

/// What is wrong with a change of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MembershipErrorKind {
    /// An instance of this name is there already.
    Duplicate,
    /// No instance has this name.
    Unknown,
    /// The weight is 0, or larger than [`Endpoint::MAX_WEIGHT`].
    Weight,
}

impl MembershipError {
    pub(crate) fn new(kind: MembershipErrorKind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> MembershipErrorKind {
        self.kind
    }

    /// The name of the instance.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            MembershipErrorKind::Duplicate => write!(f, "there is an instance named {name:?} already"),
            MembershipErrorKind::Unknown => write!(f, "there is no instance named {name:?}"),
            MembershipErrorKind::Weight => {
                write!(f, "the weight of instance {name:?} must be from 1 to {}", Endpoint::MAX_WEIGHT)
            }
        }
    }
}

impl Error for MembershipError {}
