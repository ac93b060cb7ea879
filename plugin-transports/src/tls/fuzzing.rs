//! The fuzz target of what is read out of a certificate.

use super::certificate::CertificateParts;

/// What a certificate says of itself does not depend on what follows it, and has no more names than it has bytes.
pub fn certificate(bytes: &[u8]) {
    let said = |der: &[u8]| CertificateParts::of(der).map(|parts| (parts.validity, parts.common_name(), parts.names()));
    let Some(found) = said(bytes) else { return };
    assert!(found.2.len() < bytes.len());
    assert_eq!(said(&[bytes, b"more"].concat()), Some(found));
}

#[cfg(test)]
fuzz_twins::twins!(certificate);
