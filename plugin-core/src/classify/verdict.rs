//! The verdict: success, failure, or nothing that the service is to blame for.

/// What an outcome says of the service that produced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The service works.
    Success,
    /// The service does not.
    Failure,
    /// It says nothing of the service, such as a refusal or the caller's own mistake.
    Ignored,
    /// The head does not tell: judge when the body has ended, by [`Classify::classify_end`](crate::Classify::classify_end).
    AtEnd,
}
