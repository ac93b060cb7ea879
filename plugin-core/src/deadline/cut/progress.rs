//! How far a request had come.

use crate::{Sent, clock::Instant};

/// How far a request had come when it was dropped, as its transport reported. The default is that of a transport that reports
/// nothing: the request may have been sent, and what it was waiting for is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// What it was waiting for; reads on from "spent ...".
    pub stage: Option<&'static str>,
    /// How much of it had left the host.
    pub sent: Sent,
    /// It was held back on this side all the time, so that the service had no time for it.
    pub is_held: bool,
    /// When it was sent, where it was held back on this side until then: what went before is not the service's.
    pub held_until: Option<Instant>,
    /// The service answered others since it had this request, so that it does not hang: that a caller had less time for it than
    /// is configured says nothing against it.
    pub others_answered: bool,
}
