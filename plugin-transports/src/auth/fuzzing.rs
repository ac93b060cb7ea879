//! The fuzz target of what a caller shows.

use super::Verifier;
use crate::fuzzing::headers;

/// Who is let in has shown the secret of that name, in one header of its own.
pub fn credentials(bytes: &[u8]) {
    let headers = headers(bytes);
    let verifier =
        Verifier::new().with_api_key("ci", "key-1").with_bearer("ops", "token-1").with_basic("ann", "ann", "pa:ss");
    let Some(identity) = verifier.verify(&headers) else { return };
    let (name, secret) = match identity.name() {
        "ci" => ("x-api-key", &b"key-1"[..]),
        "ops" => ("authorization", &b"token-1"[..]),
        "ann" => ("authorization", &b"YW5uOnBhOnNz"[..]),
        other => panic!("{other}"),
    };
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    assert!(matches!(values[..], [value] if value.ends_with(secret)), "{values:?}");
}

#[cfg(test)]
fuzz_twins::twins!(credentials);
