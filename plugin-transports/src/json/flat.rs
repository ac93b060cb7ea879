//! JSON on one line.

use std::borrow::Cow;

/// Gives valid JSON without raw line feeds.
pub(crate) fn flat(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    let flat = json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte });
    Cow::Owned(flat.collect())
}
