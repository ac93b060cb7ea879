//! The certificate that the other side has shown.

use std::{fmt, sync::Arc};

use super::certificate::CertificateParts;

/// The certificate of a client. It was checked: it is from an authority in `client_ca_file`, or in there itself, within its
/// time, and the client has its key.
///
/// Where a client has shown one, [`serve_http`](crate::listen::serve_http) puts it into the extensions of each of its requests.
///
/// ```
/// use http::Request;
/// use plugin_transports::tls::PeerCertificate;
///
/// fn who<B>(request: &Request<B>) -> Option<&str> {
///     let certificate = request.extensions().get::<PeerCertificate>()?;
///     certificate.names().first().map(String::as_str)
/// }
/// # assert_eq!(who(&Request::new(())), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    der: Vec<u8>,
    names: Vec<String>,
    common_name: Option<String>,
}

impl PeerCertificate {
    pub(crate) fn new(der: &[u8]) -> Self {
        let parts = CertificateParts::of(der);
        let names = parts.map(|parts| parts.alternative_names()).unwrap_or_default();
        let common_name = parts.and_then(|parts| parts.common_name());
        Self(Arc::new(Inner { der: der.to_vec(), names, common_name }))
    }

    /// Whom it is for, by its extension `subjectAltName`: names of DNS, addresses of IP, URIs (as SPIFFE has them) and addresses
    /// of mail.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// The common name (CN) of its subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// All of it, as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate")
            .field("names", &self.names())
            .field("common_name", &self.common_name())
            .finish_non_exhaustive()
    }
}
