//! Credentials, ready to be sent.

use std::{fmt, path::PathBuf};

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use secrecy::ExposeSecret;
use secrecy::SecretString;

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use crate::wire::hiding::{SURE, hidden};

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
        self.hidden(&said).unwrap_or(said)
    }

    /// The same; `None` where nothing is in it of what must be in no text: each value alone, behind the name of a scheme, as it was
    /// before it was encoded, as it is read by who takes each byte for a letter, in base64, and as it stands in a URL.
    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn hidden(&self, said: &str) -> Option<String> {
        let mut values = Vec::new();
        for (_, value) in &self.headers {
            let bytes = value.as_bytes();
            values.push(String::from_utf8_lossy(bytes));
            if !bytes.is_ascii() {
                values.push(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into());
            }
            for secret in [bytes, bytes.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default()] {
                values.push(BASE64_STANDARD.encode(secret).into());
                values.push(percent_encoded(secret).into());
            }
        }
        let texts = values.iter().flat_map(|value| [Some(&**value), value.split_once(' ').map(|(_, secret)| secret)]);
        let password = self.password.as_ref().map(ExposeSecret::expose_secret);
        hidden(said, texts.flatten().chain(password), SURE)
    }

    #[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }
}

/// As it stands in a query (RFC 3986), with each byte escaped that need not stand for itself.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credentials").field("headers", &names).field("files", &self.files).finish()
    }
}
