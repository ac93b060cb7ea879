//! What layers tell each other of a call that waits.

use crate::clock::Instant;

/// What was heard during one poll.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// What the innermost layer that spoke is waiting for; reads on from "spent ...".
    pub stage: Option<&'static str>,
    /// When the earliest timer fires that will wake this call.
    pub timer: Instant,
    /// The present moment, when a layer further in, or further out and before it, has read the clock in this poll.
    pub now: Option<Instant>,
}
