//! Errors in the files of TLS.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use plugin_core::{BoxError, Code, PluginError, Sent};

use super::validity::Ago;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The file is not there.
    Missing,
    /// The file is there and cannot be read, or is larger than 1 MiB.
    Unreadable,
    /// The disk has not answered for a minute: the file, or one that belongs to it, may have changed.
    Unanswered,
    /// What is in the file is not PEM.
    NotPem,
    /// The file holds no certificate.
    NoCertificate,
    /// The file holds no private key.
    NoKey,
    /// The key in the file is encrypted, and nobody is asked for its passphrase.
    EncryptedKey,
    /// The file holds more certificates than the other side of a handshake takes.
    ChainTooLong,
    /// A certificate in the file cannot be used.
    BadCertificate,
    /// The key in the file cannot be used.
    BadKey,
    /// The key does not belong to the certificate.
    KeyMismatch,
    /// The certificate's time has passed.
    Expired,
    /// The certificate's time has not begun.
    NotYetValid,
    /// The platform's authorities cannot be read.
    NoPlatformRoots,
}

/// A file of TLS that cannot be used: which, and why.
pub struct TlsError(Box<Inner>);

struct Inner {
    kind: TlsErrorKind,
    setting: &'static str,
    path: PathBuf,
    other: Option<PathBuf>,
    date: Option<SystemTime>,
    why: Option<String>,
    source: Option<BoxError>,
}

impl TlsError {
    pub(super) fn new(kind: TlsErrorKind, setting: &'static str, path: &Path) -> Self {
        let path = path.to_owned();
        Self(Box::new(Inner { kind, setting, path, other: None, date: None, why: None, source: None }))
    }

    /// What is wrong, more exactly, where the sentence says so: it is then no source.
    pub(super) fn because(mut self, why: impl fmt::Display) -> Self {
        self.0.why = Some(why.to_string());
        self
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(super) fn with_other(mut self, path: &Path) -> Self {
        self.0.other = Some(path.to_owned());
        self
    }

    pub(super) fn with_date(mut self, date: SystemTime) -> Self {
        self.0.date = Some(date);
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> TlsErrorKind {
        self.0.kind
    }

    /// The setting that names the file: `cert_file`, `key_file`, `ca_file` or `client_ca_file`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.0.setting
    }

    pub(super) fn why(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, setting, path, other, date, why, .. } = &*self.0;
        if *kind == TlsErrorKind::NoPlatformRoots {
            return f.write_str("the platform's certificate authorities cannot be read; `ca_file` can name others");
        }
        write!(f, "`{setting}` {path:?} ")?;
        match kind {
            TlsErrorKind::Missing => f.write_str("is not there"),
            TlsErrorKind::Unreadable => f.write_str("cannot be read"),
            TlsErrorKind::Unanswered => {
                f.write_str("has not been read for a minute, or one of the files beside it has not: the disk does not answer")
            }
            TlsErrorKind::NotPem => f.write_str("is not PEM (\"-----BEGIN ...\")"),
            TlsErrorKind::NoCertificate => f.write_str("holds no certificate (\"-----BEGIN CERTIFICATE-----\")"),
            TlsErrorKind::NoKey => f.write_str("holds no private key (\"-----BEGIN PRIVATE KEY-----\")"),
            TlsErrorKind::EncryptedKey => f.write_str(
                "holds a private key that is encrypted, and nobody is asked for its passphrase; `openssl pkey` writes it without \
                 one, for a file that only this program's user may read",
            ),
            TlsErrorKind::ChainTooLong => f.write_str(
                "holds more certificates than a handshake takes; it is to hold one and the authorities that vouch for it, and \
                 no bundle",
            ),
            TlsErrorKind::BadCertificate => f.write_str("holds a certificate that cannot be used"),
            TlsErrorKind::BadKey => f.write_str("holds a private key that cannot be used"),
            TlsErrorKind::KeyMismatch => {
                f.write_str("holds a private key that does not belong to the certificate")?;
                other.as_ref().map_or(Ok(()), |other| write!(f, " in {other:?}"))
            }
            TlsErrorKind::Expired => write!(f, "holds a certificate that expired {}", Ago(*date)),
            TlsErrorKind::NotYetValid => write!(f, "holds a certificate that is not valid before {}", Ago(*date)),
            TlsErrorKind::NoPlatformRoots => Ok(()),
        }?;
        why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

impl fmt::Debug for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsError")
            .field("kind", &self.0.kind)
            .field("setting", &self.0.setting)
            .field("path", &self.0.path)
            .field("why", &self.0.why)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// `AUTH_1104`.
impl From<TlsError> for PluginError {
    fn from(error: TlsError) -> Self {
        Self::new(Code::MissingTlsFiles, error.to_string()).with_sent(Sent::Nothing).with_source(error)
    }
}
