//! What a call says of the service when it ends.

/// How a call went, that held a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PermitOutcome {
    /// It was answered. The time that it took says how the service is.
    Answered,
    /// The service turned it away for want of room, or had its time and did not answer.
    Overloaded,
}
