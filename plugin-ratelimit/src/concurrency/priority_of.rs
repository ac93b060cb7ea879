//! How important a request is.

use plugin_core::Call;

/// Reads the priority of a request: larger is more important, 0 is usual.
///
/// Any closure `Fn(&Req) -> i16` is one. A priority that the client chooses, such as a header that nobody checks, serves whoever
/// writes the largest first, and pushes the others out of a full line.
pub trait PriorityOf<Req> {
    /// The priority.
    fn priority(&self, request: &Req) -> i16;
}

impl<Req, F> PriorityOf<Req> for F
where
    F: Fn(&Req) -> i16,
{
    fn priority(&self, request: &Req) -> i16 {
        self(request)
    }
}

/// All requests are equally important: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamePriority;

impl<Req> PriorityOf<Req> for SamePriority {
    fn priority(&self, _: &Req) -> i16 {
        0
    }
}

/// A call is as important as its context says ([`CallContext::priority`](plugin_core::CallContext::priority)).
///
/// That is the word of whoever makes the call: over a network anybody may write any priority there. Where callers are not
/// trusted, something before the limit must set or bound it; a closure may do so,
/// `|call: &Call<T>| call.context().priority().min(0)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCallPriority;

impl<T> PriorityOf<Call<T>> for ByCallPriority {
    fn priority(&self, call: &Call<T>) -> i16 {
        call.context().priority()
    }
}
