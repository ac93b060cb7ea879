//! The fuzz target of what is read out of a certificate.

use super::validity;

/// The times of a certificate do not depend on what follows it.
pub fn certificate(bytes: &[u8]) {
    let found = validity::of(bytes);
    if found.is_some() {
        assert_eq!(validity::of(&[bytes, b"more"].concat()), found);
    }
}

#[cfg(test)]
fuzz_twins::twins!(certificate);
