//! Certificates and keys out of PEM files.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls::{Error, InconsistentKeys, RootCertStore, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use zeroize::Zeroizing;

use super::{TlsError, TlsErrorKind, certificate::CertificateParts, provider};

/// No bundle of certificates is larger, and a path that names a disk or a pipe must not fill the memory.
const MAX_FILE: u64 = 1 << 20;

/// A chain is one message of the handshake, and no longer one is taken by others: rustls and gRPC in Go take this much, OpenSSL
/// 100 KiB. It is sent with each handshake too.
const MAX_CHAIN: usize = 0xffff;

/// What stands in that message besides: its own lengths, and of each certificate its length and that of its extensions.
const AROUND_CHAIN: usize = 4;
const AROUND_CERTIFICATE: usize = 5;

/// Where the files of one side of TLS are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// The certificate and its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
    /// Those whose certificates are trusted, and the setting that names them.
    pub(super) authorities: Option<(&'static str, PathBuf)>,
}

/// The same as they were read.
pub(super) struct PemFiles {
    pub(super) own: Option<(PemFile, PemFile)>,
    pub(super) authorities: Option<PemFile>,
}

/// One of them.
pub(super) struct PemFile {
    setting: &'static str,
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

impl Paths {
    /// Each setting, and the file that it names.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let own = self.own.iter().flat_map(|(cert, key)| [("cert_file", &**cert), ("key_file", &**key)]);
        own.chain(self.authorities.iter().map(|(setting, path)| (*setting, &**path)))
    }

    pub(super) fn read(&self) -> Result<PemFiles, TlsError> {
        let own = self
            .own
            .as_ref()
            .map(|(cert, key)| Ok((PemFile::read("cert_file", cert)?, PemFile::read("key_file", key)?)));
        let authorities = self.authorities.as_ref().map(|(setting, path)| PemFile::read(setting, path));
        Ok(PemFiles { own: own.transpose()?, authorities: authorities.transpose()? })
    }

    /// Everything that is wrong with them, each by itself and then the certificate and its key as a pair.
    pub(super) fn faults(&self) -> Vec<TlsError> {
        let each = self.each().filter_map(|(setting, path)| {
            let file = PemFile::read(setting, path);
            match setting {
                "key_file" => file.and_then(|file| file.key().map(drop)),
                "cert_file" => file.and_then(|file| file.certificates().map(drop)),
                _ => file.and_then(|file| file.authorities().map(drop)),
            }
            .err()
        });
        let alone: Vec<_> = each.collect();
        if !alone.is_empty() {
            return alone;
        }
        self.read().and_then(|files| files.certified_key()).err().into_iter().collect()
    }
}

impl PemFiles {
    pub(super) fn each(&self) -> impl Iterator<Item = &PemFile> {
        self.own.iter().flat_map(|(cert, key)| [cert, key]).chain(&self.authorities)
    }

    /// The certificate with its chain, and the private key that belongs to it.
    pub(super) fn certified_key(&self) -> Result<Option<CertifiedKey>, TlsError> {
        self.own.as_ref().map(|(cert, key)| certified_key(cert, key)).transpose()
    }
}

fn certified_key(cert: &PemFile, key: &PemFile) -> Result<CertifiedKey, TlsError> {
    CertifiedKey::from_der(cert.certificates()?, key.key()?, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            key.fault(TlsErrorKind::KeyMismatch).with_other(&cert.path)
        }
        Error::InvalidCertificate(_) => cert.fault(TlsErrorKind::BadCertificate).with_source(error),
        error => key.fault(TlsErrorKind::BadKey).with_source(error),
    })
}

impl PemFile {
    fn read(setting: &'static str, path: &Path) -> Result<Self, TlsError> {
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => TlsError::new(TlsErrorKind::Missing, setting, path).with_source(error),
            _ => TlsError::new(TlsErrorKind::Unreadable, setting, path).because(error),
        };
        let mut bytes = Zeroizing::default();
        // To open a pipe waits for whoever writes into it.
        let kind = fs::metadata(path).map_err(error)?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            return Err(error(io::Error::other("it is no file")));
        }
        let file = File::open(path).map_err(error)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(error)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(error(io::Error::other("it is larger than 1 MiB")));
        }
        Ok(Self { setting, path: path.to_owned(), bytes })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn fault(&self, kind: TlsErrorKind) -> TlsError {
        TlsError::new(kind, self.setting, &self.path)
    }

    /// The certificate in the file and its chain, all of them within their time.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates = self.all()?;
        let length = certificates.iter().fold(AROUND_CHAIN, |sum, one| sum + one.len() + AROUND_CERTIFICATE);
        if length > MAX_CHAIN {
            let count = plugin_core::counted(certificates.len(), "certificate");
            let problem = format!("{count} of {length} bytes, and the other side takes {MAX_CHAIN} of a chain");
            return Err(self.fault(TlsErrorKind::ChainTooLong).with_source(problem));
        }
        let now = plugin_core::clock::wall();
        certificates.iter().try_for_each(|certificate| self.check_time(certificate, now))?;
        Ok(certificates)
    }

    fn all(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.not_pem(error))?;
        if certificates.is_empty() {
            return Err(self.fault(TlsErrorKind::NoCertificate));
        }
        Ok(certificates)
    }

    /// A certificate whose time cannot be read is left to rustls, which says what is wrong with it.
    fn check_time(&self, certificate: &CertificateDer<'_>, now: SystemTime) -> Result<(), TlsError> {
        let Some(CertificateParts { validity, .. }) = CertificateParts::of(certificate) else { return Ok(()) };
        if now > validity.not_after {
            return Err(self.fault(TlsErrorKind::Expired).with_date(validity.not_after));
        }
        if now < validity.not_before {
            return Err(self.fault(TlsErrorKind::NotYetValid).with_date(validity.not_before));
        }
        Ok(())
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let encrypted = |mark: &[u8]| self.bytes.windows(mark.len()).any(|bytes| bytes == mark);
        if encrypted(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || encrypted(b"Proc-Type: 4,ENCRYPTED") {
            return Err(self.fault(TlsErrorKind::EncryptedKey));
        }
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => self.fault(TlsErrorKind::NoKey),
            error => self.not_pem(error),
        })
    }

    /// Authorities to trust, and the certificates that they are made of. One among them that is not within its time is not
    /// trusted, and no fault as long as there is another: a bundle holds old and new ones side by side.
    pub(super) fn authorities(&self) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
        let (mut roots, mut certificates, now) = (RootCertStore::empty(), self.all()?, plugin_core::clock::wall());
        let first = certificates.iter().find_map(|certificate| self.check_time(certificate, now).err());
        certificates.retain(|certificate| self.check_time(certificate, now).is_ok());
        if let (true, Some(fault)) = (certificates.is_empty(), first) {
            return Err(fault);
        }
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|error| self.fault(TlsErrorKind::BadCertificate).with_source(error))?;
        }
        Ok((roots, certificates))
    }

    fn not_pem(&self, error: pem::Error) -> TlsError {
        // The text of this error may quote the file, which is why it is told by kind alone.
        let problem = match error {
            pem::Error::MissingSectionEnd { .. } => "a section has no end; is the file written in full?",
            pem::Error::IllegalSectionStart { .. } => "the first line of a section is not right",
            pem::Error::Base64Decode(_) => "a section is not base64",
            _ => "it cannot be read as PEM",
        };
        self.fault(TlsErrorKind::NotPem).because(problem)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::test_files::Files, *};

    fn certified_key(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
        super::certified_key(&PemFile::read("cert_file", cert)?, &PemFile::read("key_file", key)?)
    }

    fn authorities(setting: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
        PemFile::read(setting, path)?.authorities().map(|(roots, _)| roots)
    }

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
        let (fault, text) = kind(certified_key(files.dir(), &key_file));
        assert_eq!(fault, TlsErrorKind::Unreadable);
        assert!(text.contains("cannot be read: Is a directory"), "{text}");

        let text_file = files.write("note.txt", b"no certificate here");
        assert_eq!(kind(certified_key(&text_file, &key_file)).0, TlsErrorKind::NoCertificate);
        assert_eq!(kind(certified_key(&key_file, &key_file)).0, TlsErrorKind::NoCertificate);
        assert_eq!(kind(certified_key(&cert, &cert)).0, TlsErrorKind::NoKey);
        let cut = files.write("cut.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
        let (fault, text) = kind(certified_key(&cut, &key_file));
        assert_eq!(fault, TlsErrorKind::NotPem);
        assert!(text.ends_with("a section has no end; is the file written in full?"), "{text}");
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";
        for encrypted in [new, old] {
            let locked = files.write("locked.key", encrypted.as_bytes());
            let (fault, text) = kind(certified_key(&cert, &locked));
            assert_eq!(fault, TlsErrorKind::EncryptedKey);
            assert!(text.contains("locked.key") && text.contains("`openssl pkey` writes it without"), "{text}");
        }
        let junk = files.write("junk.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        assert_eq!(kind(certified_key(&junk, &key_file)).0, TlsErrorKind::BadCertificate);
        assert_eq!(kind(authorities("ca_file", &junk)).0, TlsErrorKind::BadCertificate);
        let junk = files.write("junk.key", b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
        assert_eq!(kind(certified_key(&cert, &junk)).0, TlsErrorKind::BadKey);

        let (_, other_key) = files.leaf("other");
        let (fault, text) = kind(certified_key(&cert, &other_key));
        assert_eq!(fault, TlsErrorKind::KeyMismatch);
        assert!(text.contains("other.key") && text.contains("server.pem"), "{text}");
        let pipe = files.path("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("made");
        assert_eq!(kind(authorities("ca_file", &pipe)).0, TlsErrorKind::Unreadable, "and nobody waits for a writer");
        let one = std::fs::read(&cert).expect("a file");
        let many = files.write("many.pem", &one.repeat(600));
        let error = certified_key(&many, &key_file).expect_err("600 certificates");
        assert_eq!(error.kind(), TlsErrorKind::ChainTooLong);
        assert!(error.to_string().contains("and no bundle"), "{error}");
        let source = std::error::Error::source(&error).expect("how many").to_string();
        assert!(source.starts_with("600 certificates of ") && source.ends_with("65535 of a chain"), "{source}");
        // Authorities are not sent, and may be many.
        assert!(authorities("ca_file", &many).is_ok());
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
        let (valid, _) = files.leaf_valid("valid", -1, 30);
        let both = [std::fs::read(&expired).expect("a file"), std::fs::read(&valid).expect("a file")].concat();
        let both = files.write("both.pem", &both);
        assert_eq!(authorities("ca_file", &both).expect("one of them is good").len(), 1);
    }

    #[test]
    fn the_time_of_a_certificate_is_read_as_it_was_written() {
        let files = Files::new();
        let (path, _) = files.leaf_valid("server", -1, 40_000);
        let now = plugin_core::clock::wall();
        let read = PemFile::read("cert_file", &path).expect("a file").certificates().expect("valid");
        let validity = CertificateParts::of(&read[0]).expect("a certificate").validity;
        let days = |days: u64| Duration::from_secs(days * 86_400);
        // Past 2049 a certificate writes its time in the longer form.
        for (found, due) in [(validity.not_before, now - days(1)), (validity.not_after, now + days(40_000))] {
            let apart = found.duration_since(due).unwrap_or_else(|early| early.duration());
            assert!(apart < days(1), "{apart:?}");
        }
    }
}
