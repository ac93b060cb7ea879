//! Credentials, ready to be sent.

use std::{fmt, path::PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use secrecy::ExposeSecret;
use secrecy::SecretString;

/// What is set of a client's side of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    #[cfg(feature = "tls")]
    pub(crate) min_version: crate::tls::TlsVersion,
}

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
impl TlsFiles {
    /// A setting that is without effect where no TLS is spoken.
    pub(crate) fn of_use_with_tls(&self) -> Option<&'static str> {
        let files = [("cert_file", &self.cert), ("ca_file", &self.ca)];
        let file = files.into_iter().find_map(|(key, file)| file.is_some().then_some(key));
        #[cfg(feature = "tls")]
        let file = file.or((self.min_version != crate::tls::TlsVersion::default()).then_some("min_version"));
        file
    }
}

#[cfg(feature = "tls")]
impl TlsFiles {
    /// The settings of TLS that they are; `None` when there are none.
    pub(crate) fn tls(&self) -> Option<crate::tls::ClientTlsConfig> {
        if *self == Self::default() {
            return None;
        }
        let mut tls = crate::tls::ClientTlsConfig::new().with_min_version(self.min_version);
        if let Some(ca) = &self.ca {
            tls = tls.with_ca_file(ca);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.with_client_certificate(cert, key);
        }
        Some(tls)
    }
}

/// Credentials, ready to be sent. Made by [`AuthConfig::build`](super::AuthConfig::build). `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Credentials {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What is in a header in another form.
    #[cfg_attr(
        not(any(feature = "http", feature = "grpc", feature = "unix")),
        allow(dead_code, reason = "of what a peer says")
    )]
    pub(super) password: Option<SecretString>,
    pub(super) files: TlsFiles,
}

impl Credentials {
    /// Writes the headers, over any of the same name.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }

    /// Whether any header is sent.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Whether a header of this name is sent.
    #[must_use]
    pub fn sets(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }

    /// What a peer says, without the secrets that it was sent: one that tells what it was asked, as some do of what went wrong,
    /// tells those too.
    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn hide_in(&self, said: String) -> String {
        super::hidden(&said, self.secrets()).unwrap_or(said)
    }

    /// What must be in no text: each value alone, behind the name of a scheme, and as it was before it was encoded.
    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.iter().filter_map(|(_, value)| value.to_str().ok());
        let values = values.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, secret)| secret)]);
        values.flatten().chain(self.password.as_ref().map(ExposeSecret::expose_secret))
    }

    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credentials").field("headers", &names).field("files", &self.files).finish()
    }
}
