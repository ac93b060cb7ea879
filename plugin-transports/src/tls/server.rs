//! TLS of a server: settings out of PEM files.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{ServerConfig, sign::SingleCertAndKey};

use super::{
    TlsError, TlsErrorKind, TlsStatus, TlsVersion,
    files::{Paths, PemFiles},
    offered::Offered,
    pinned::ClientVerifier,
    provider,
    renewal::Renewal,
};

/// The settings of a server's side of TLS.
///
/// | setting | default | |
/// |---|---|---|
/// | `cert_file`, `key_file` | required | the certificate with its chain, and its private key, both PEM |
/// | `client_ca_file` | none | PEM; a client without a certificate from one of these authorities is turned away |
/// | `min_version` | 1.2 | |
///
/// ```
/// use plugin_transports::tls::ServerTlsConfig;
///
/// let config = ServerTlsConfig::new("/etc/ssl/no-such-file.pem", "/etc/ssl/no-such-key.pem");
/// let faults: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
/// assert_eq!(faults.len(), 2, "{faults:?}"); // each file that is not there, at once
/// ```
#[derive(Clone, Debug)]
pub struct ServerTlsConfig {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    min_version: TlsVersion,
}

impl ServerTlsConfig {
    /// Serves with this certificate and key.
    #[must_use]
    pub fn new(cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self { cert: cert_file.into(), key: key_file.into(), client_ca: None, min_version: TlsVersion::default() }
    }

    /// Demands a certificate of every client, from one of the authorities in this file.
    #[must_use]
    pub fn with_client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }

    /// Sets the oldest version that is spoken.
    #[must_use]
    pub fn with_min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Reads the files, and says everything that is wrong with them: nothing when [`build`](Self::build) would do.
    #[must_use]
    pub fn faults(&self) -> Vec<TlsError> {
        let faults = self.paths().faults();
        if faults.is_empty() { self.build().err().into_iter().collect() } else { faults }
    }

    /// Reads the files. They are read again when they change, see the [page](super#renewal).
    ///
    /// # Errors
    ///
    /// When a file is not there, cannot be read, or does not hold what it should.
    pub fn build(&self) -> Result<ServerTls, TlsError> {
        let min_version = self.min_version;
        Renewal::new(None, self.paths(), move |files| make(min_version, files))
            .map(|renewal| ServerTls(Offered::new(renewal)))
    }

    fn paths(&self) -> Paths {
        Paths {
            own: Some((self.cert.clone(), self.key.clone())),
            authorities: self.client_ca.clone().map(|path| ("client_ca_file", path)),
        }
    }
}

fn make(min_version: TlsVersion, files: &PemFiles) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.and_later())
        .map_err(|error| TlsError::new(TlsErrorKind::BadKey, "min_version", "".as_ref()).with_source(error))?;
    let builder = match &files.authorities {
        Some(file) => {
            let (roots, pins) = file.authorities()?;
            let verifier = ClientVerifier::new(Arc::new(roots), pins)
                .map_err(|error| file.fault(TlsErrorKind::BadCertificate).with_source(error))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let certified = files.certified_key()?;
    let certified = certified.ok_or_else(|| TlsError::new(TlsErrorKind::NoCertificate, "cert_file", "".as_ref()))?;
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

/// A server's side of TLS, ready for connections. Clones share their files.
#[derive(Clone)]
pub struct ServerTls(Offered<ServerConfig>);

impl ServerTls {
    /// What a connection that is made now is to use, as rustls knows it: out of the files as they are now, where they can be used.
    ///
    /// They are looked at once a second at most, which is a few calls of the system, and read when they have changed: on a thread
    /// that may wait for a disk. A look that takes longer than a quarter of a second is not waited for, and what it finds is for
    /// the next connection.
    ///
    /// It must be called within a tokio runtime.
    pub async fn renewed(&self) -> Arc<ServerConfig> {
        self.0.renewed().await
    }

    /// The same without waiting: what the last look has found. A look that is due is begun, for the next one who asks; without a
    /// tokio runtime it is had before this returns.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.current()
    }

    /// The same, offering these protocols (ALPN), the first of them preferred.
    #[must_use]
    pub fn with_protocols(self, protocols: &[&[u8]]) -> Self {
        Self(self.0.with_protocols(protocols))
    }

    /// What is in use, and what came of the last change of the files that was seen: they are looked at as by
    /// [`current`](Self::current).
    #[must_use]
    pub fn status(&self) -> TlsStatus {
        self.0.status()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
