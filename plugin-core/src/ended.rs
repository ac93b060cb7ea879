//! What a future does that is polled after it has ended.

/// Panics, since a future of this type was polled after it had ended: there is nothing left that it could answer. All futures
/// of the family do so, and say which of them it was.
///
/// # Panics
///
/// Always.
#[cold]
#[track_caller]
pub fn polled_after_end(future: &str) -> ! {
    panic!("`{future}` was polled after it had ended")
}
