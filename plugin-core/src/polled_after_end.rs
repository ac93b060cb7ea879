//! The panic of a future that is polled after it has ended.

/// Panics, since a future of this type was polled after it had ended: there is nothing left that it could answer. The future
/// of every layer and of every transport does so, and says which it was; one that only changes what another answers leaves
/// that to the other.
///
/// # Panics
///
/// Always.
#[cold]
#[track_caller]
pub fn polled_after_end(future: &str) -> ! {
    panic!("`{future}` was polled after it had ended")
}
