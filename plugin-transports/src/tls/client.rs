//! TLS of a client: settings out of PEM files.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rustls::{ClientConfig, RootCertStore, sign::SingleCertAndKey};

use super::{
    TlsError, TlsErrorKind, TlsStatus, TlsVersion,
    files::{Paths, PemFiles},
    offered::Offered,
    pinned::ServerVerifier,
    provider,
    renewal::Renewal,
};

/// The settings of a client's side of TLS.
///
/// | setting | default | |
/// |---|---|---|
/// | `ca_file` | the platform's authorities | PEM; the only authorities that are trusted |
/// | `cert_file`, `key_file` | none | a client certificate with its chain, and its private key, both PEM |
/// | `min_version` | 1.2 | |
///
/// ```
/// use plugin_transports::tls::ClientTlsConfig;
///
/// let config = ClientTlsConfig::new().with_ca_file("/etc/ssl/no-such-file.pem");
/// assert_eq!(config.faults().len(), 1); // the file is not there: `build` says the same
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientTlsConfig {
    ca: Option<PathBuf>,
    own: Option<(PathBuf, PathBuf)>,
    min_version: TlsVersion,
    /// Whom it is for, in the log.
    plugin: Option<Arc<str>>,
}

impl ClientTlsConfig {
    /// Trusts the platform's authorities and shows no certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this file, and no other.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// Shows this certificate to a server that asks.
    #[must_use]
    pub fn with_client_certificate(mut self, cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        self.own = Some((cert_file.into(), key_file.into()));
        self
    }

    /// Sets the oldest version that is spoken.
    #[must_use]
    pub fn with_min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// What is told of the files names this plugin.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn for_plugin(mut self, name: &str) -> Self {
        self.plugin = Some(name.into());
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
    pub fn build(&self) -> Result<ClientTls, TlsError> {
        let min_version = self.min_version;
        Renewal::new(self.plugin.clone(), self.paths(), move |files| make(min_version, files))
            .map(|renewal| ClientTls(Offered::new(renewal)))
    }

    fn paths(&self) -> Paths {
        Paths { own: self.own.clone(), authorities: self.ca.clone().map(|path| ("ca_file", path)) }
    }
}

fn make(min_version: TlsVersion, files: &PemFiles) -> Result<ClientConfig, TlsError> {
    let (roots, pins) = match &files.authorities {
        Some(file) => file.authorities().map(|(roots, certificates)| (Arc::new(roots), certificates))?,
        None => (platform_roots()?, Vec::new()),
    };
    let verifier = ServerVerifier::new(roots, pins)
        .map_err(|error| TlsError::new(TlsErrorKind::BadCertificate, "ca_file", "".as_ref()).with_source(error))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.and_later())
        .map_err(|error| TlsError::new(TlsErrorKind::BadKey, "min_version", "".as_ref()).with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(match files.certified_key()? {
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
        None => builder.with_no_client_auth(),
    })
}

/// Read once: it takes milliseconds, and a process has one platform.
fn platform_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let error = TlsError::new(TlsErrorKind::NoPlatformRoots, "ca_file", "".as_ref());
        return Err(match found.errors.into_iter().next() {
            Some(source) => error.with_source(source),
            None => error,
        });
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

/// A client's side of TLS, ready for connections. Clones share their files.
#[derive(Clone)]
pub struct ClientTls(Offered<ClientConfig>);

impl ClientTls {
    /// What a connection that is made now is to use, as rustls knows it: out of the files as they are now, where they can be used.
    ///
    /// They are looked at once a second at most, which is a few calls of the system, and read when they have changed: on a thread
    /// that may wait for a disk. A look that takes longer than a quarter of a second is not waited for, and what it finds is for
    /// the next connection.
    ///
    /// It must be called within a tokio runtime.
    pub async fn renewed(&self) -> Arc<ClientConfig> {
        self.0.renewed().await
    }

    /// The same without waiting: what the last look has found. A look that is due is begun, for the next one who asks; without a
    /// tokio runtime it is had before this returns.
    #[must_use]
    pub fn current(&self) -> Arc<ClientConfig> {
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

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}
