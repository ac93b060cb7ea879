//! A part of what was read.

use std::borrow::Cow;
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
use std::collections::BTreeMap;

#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Parts of at most this size are copied out of what was read, so that a small one that is kept does not keep a large
/// buffer alive.
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) const COPY_UP_TO: usize = 16 * 1024;

/// A part of `whole` as bytes of its own; `null` where there is none.
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) fn of(whole: &Bytes, part: Option<&str>) -> Bytes {
    match part.map(str::as_bytes) {
        None => Bytes::from_static(b"null"),
        Some(part) if part.len() <= COPY_UP_TO => Bytes::copy_from_slice(part),
        Some(part) => whole.slice_ref(part),
    }
}

/// JSON as it is written, without being read; `null` is none.
///
/// For `#[serde(borrow, default, deserialize_with = "part::raw")]`.
pub(crate) fn raw<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a str>, D::Error> {
    Ok(Option::<&'a RawValue>::deserialize(deserializer)?.map(RawValue::get))
}

/// A text that was [cut out](crate::json::cut), where it is one that needs no reading.
pub(crate) fn plain_text(json: &str) -> Option<Cow<'_, str>> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    memchr::memchr(b'\\', text.as_bytes()).is_none().then_some(Cow::Borrowed(text))
}

/// Texts by name that were cut out, as [`texts`](super::metadata::texts) reads them; `None` where they cannot be.
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) fn texts(json: Option<&str>) -> Option<BTreeMap<String, String>> {
    match json {
        None => Some(BTreeMap::new()),
        Some(json) => super::metadata::texts(&mut serde_json::Deserializer::from_str(json)).ok(),
    }
}
