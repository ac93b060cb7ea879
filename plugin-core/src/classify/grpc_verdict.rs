//! Whom the number of a gRPC status blames.

use super::verdict::Verdict;

pub(super) const CANCELLED: u8 = 1;

/// A number that answers its caller is a success, as 4xx are in HTTP; one that nobody knows is a failure.
pub(super) const fn verdict(status: u8) -> Verdict {
    match status {
        0 | 3 | 5 | 6 | 7 | 9 | 10 | 11 | 12 | 16 => Verdict::Success,
        CANCELLED => Verdict::Ignored,
        _ => Verdict::Failure,
    }
}
