//! Headers of a call.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// The values of a header as one. Several values of one name are one list, RFC 9110 section 5.3.
pub(crate) fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Cow<'h, str> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next().unwrap_or_default();
    values.fold(first, |all, next| all + ", " + next)
}
