//! Certificates and keys out of PEM files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use rustls::{Error, InconsistentKeys, RootCertStore, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use zeroize::Zeroizing;

use super::{TlsError, TlsErrorKind, provider, validity};

/// No bundle of certificates is larger, and a path that names a disk or a pipe must not fill the memory.
const MAX_FILE: u64 = 1 << 20;

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let error = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => TlsErrorKind::Missing,
            _ => TlsErrorKind::Unreadable,
        };
        TlsError::new(kind, setting, path).with_source(error)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(error)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(error(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

/// Every certificate in the file, at least one, all of them within their time.
pub(super) fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(setting, path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(setting, path, error))?;
    if certificates.is_empty() {
        return Err(TlsError::new(TlsErrorKind::NoCertificate, setting, path));
    }
    let now = plugin_core::clock::wall();
    for certificate in &certificates {
        check_time(setting, path, certificate, now)?;
    }
    Ok(certificates)
}

/// A certificate whose time cannot be read is left to rustls, which says what is wrong with it.
fn check_time(
    setting: &'static str,
    path: &Path,
    certificate: &CertificateDer<'_>,
    now: SystemTime,
) -> Result<(), TlsError> {
    let Some(validity) = validity::of(certificate) else { return Ok(()) };
    if now > validity.not_after {
        return Err(TlsError::new(TlsErrorKind::Expired, setting, path).with_date(validity.not_after));
    }
    if now < validity.not_before {
        return Err(TlsError::new(TlsErrorKind::NotYetValid, setting, path).with_date(validity.not_before));
    }
    Ok(())
}

fn not_pem(setting: &'static str, path: &Path, error: pem::Error) -> TlsError {
    // The text of this error may quote the file, which is why it is told by kind alone.
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "the first line of a section is not right",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be read as PEM",
    };
    TlsError::new(TlsErrorKind::NotPem, setting, path).with_source(problem)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = Zeroizing::new(read("key_file", path)?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::new(TlsErrorKind::NoKey, "key_file", path),
        error => not_pem("key_file", path, error),
    })
}

/// A certificate with its chain, and the private key that belongs to it.
pub(super) fn certified_key(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates("cert_file", cert_file)?;
    let key = key(key_file)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::new(TlsErrorKind::KeyMismatch, "key_file", key_file).with_other(cert_file)
        }
        Error::InvalidCertificate(_) => {
            TlsError::new(TlsErrorKind::BadCertificate, "cert_file", cert_file).with_source(error)
        }
        error => TlsError::new(TlsErrorKind::BadKey, "key_file", key_file).with_source(error),
    })
}

/// Everything that is wrong with a certificate and its key, each by itself and then as a pair.
pub(super) fn pair_faults(cert_file: &Path, key_file: &Path) -> Vec<TlsError> {
    let alone = [certificates("cert_file", cert_file).err(), key(key_file).err()];
    let alone: Vec<_> = alone.into_iter().flatten().collect();
    if alone.is_empty() { certified_key(cert_file, key_file).err().into_iter().collect() } else { alone }
}

/// What is wrong with authorities, where some are named.
pub(super) fn authorities_fault(setting: &'static str, path: Option<&Path>) -> Vec<TlsError> {
    path.and_then(|path| authorities(setting, path).err()).into_iter().collect()
}

/// Authorities to trust.
pub(super) fn authorities(setting: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(setting, path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::new(TlsErrorKind::BadCertificate, setting, path).with_source(error))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::test_files::Files, *};

    fn kind<T>(result: Result<T, TlsError>) -> (TlsErrorKind, String) {
        let Err(error) = result else { panic!("a fault was expected") };
        (error.kind(), error.to_string())
    }

    #[test]
    fn each_fault_names_the_file_and_what_is_wrong() {
        let files = Files::new();
        let (cert, key_file) = files.leaf("server");
        assert!(certified_key(&cert, &key_file).is_ok() && authorities("ca_file", &files.ca()).is_ok());

        let gone = files.path("gone.pem");
        let (fault, text) = kind(certified_key(&gone, &key_file));
        assert_eq!(fault, TlsErrorKind::Missing);
        assert!(text.contains("`cert_file`") && text.contains("gone.pem") && text.contains("not there"), "{text}");
        assert_eq!(kind(certified_key(&cert, &gone)).0, TlsErrorKind::Missing);
        assert_eq!(kind(certified_key(files.dir(), &key_file)).0, TlsErrorKind::Unreadable);

        let text_file = files.write("note.txt", b"no certificate here");
        assert_eq!(kind(certified_key(&text_file, &key_file)).0, TlsErrorKind::NoCertificate);
        assert_eq!(kind(certified_key(&key_file, &key_file)).0, TlsErrorKind::NoCertificate);
        assert_eq!(kind(certified_key(&cert, &cert)).0, TlsErrorKind::NoKey);
        let cut = files.write("cut.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
        assert_eq!(kind(certified_key(&cut, &key_file)).0, TlsErrorKind::NotPem);
        let junk = files.write("junk.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        assert_eq!(kind(certified_key(&junk, &key_file)).0, TlsErrorKind::BadCertificate);
        assert_eq!(kind(authorities("ca_file", &junk)).0, TlsErrorKind::BadCertificate);
        let junk = files.write("junk.key", b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
        assert_eq!(kind(certified_key(&cert, &junk)).0, TlsErrorKind::BadKey);

        let (_, other_key) = files.leaf("other");
        let (fault, text) = kind(certified_key(&cert, &other_key));
        assert_eq!(fault, TlsErrorKind::KeyMismatch);
        assert!(text.contains("other.key") && text.contains("server.pem"), "{text}");
        let huge = files.write("huge.pem", &vec![b'x'; MAX_FILE as usize + 1]);
        assert_eq!(kind(authorities("ca_file", &huge)).0, TlsErrorKind::Unreadable);
    }

    #[test]
    fn a_certificate_outside_its_time_is_refused_before_anybody_connects() {
        let files = Files::new();
        let (expired, key_file) = files.leaf_valid("old", -30, -10);
        let (fault, text) = kind(certified_key(&expired, &key_file));
        assert_eq!(fault, TlsErrorKind::Expired);
        assert!(text.contains("expired 10 days ago") || text.contains("expired 9 days ago"), "{text}");
        let (early, key_file) = files.leaf_valid("early", 10, 30);
        assert_eq!(kind(certified_key(&early, &key_file)).0, TlsErrorKind::NotYetValid);
        assert_eq!(kind(authorities("ca_file", &expired)).0, TlsErrorKind::Expired);
    }

    #[test]
    fn the_time_of_a_certificate_is_read_as_it_was_written() {
        let files = Files::new();
        let (path, _) = files.leaf_valid("server", -1, 40_000);
        let now = plugin_core::clock::wall();
        let read = certificates("cert_file", &path).expect("valid");
        let validity = validity::of(&read[0]).expect("a time");
        let days = |days: u64| Duration::from_secs(days * 86_400);
        // Past 2049 a certificate writes its time in the longer form.
        for (found, due) in [(validity.not_before, now - days(1)), (validity.not_after, now + days(40_000))] {
            let apart = found.duration_since(due).unwrap_or_else(|early| early.duration());
            assert!(apart < days(1), "{apart:?}");
        }
    }
}
