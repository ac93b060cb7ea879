//! A part of what was read.

use bytes::Bytes;
use serde_json::value::RawValue;

/// Parts of at most this size are copied out of what was read, so that a small one that is kept does not keep a large
/// buffer alive.
pub(crate) const COPY_UP_TO: usize = 16 * 1024;

/// A part of `whole` as bytes of its own; `null` where there is none.
pub(crate) fn of(whole: &Bytes, part: Option<&RawValue>) -> Bytes {
    match part.map(|raw| raw.get().as_bytes()) {
        None => Bytes::from_static(b"null"),
        Some(part) if part.len() <= COPY_UP_TO => Bytes::copy_from_slice(part),
        Some(part) => whole.slice_ref(part),
    }
}
