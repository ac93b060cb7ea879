//! How much of a request has left the host.

/// How much of a request had left the host when the call failed.
///
/// A request that is not idempotent may be sent again only after [`Sent::Nothing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sent {
    /// Not a byte was sent: a second attempt cannot repeat an effect.
    Nothing,
    /// The plugin may have seen the request, or part of it.
    #[default]
    Maybe,
}

impl Sent {
    /// The most of two attempts of one call: once one of them may have been seen, the call may have been.
    #[must_use]
    pub const fn most(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => Self::Nothing,
            _ => Self::Maybe,
        }
    }
}
