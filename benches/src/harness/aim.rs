//! What a row is to take at most.

/// An aim for the time of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aim {
    pub(super) row: String,
    /// The nanoseconds of this row are taken off.
    pub(super) without: Option<String>,
    pub(super) ns: f64,
}
