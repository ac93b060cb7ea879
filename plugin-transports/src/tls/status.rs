//! What is in use, and what came of the last change, for those who operate it.

use std::{sync::Arc, time::SystemTime};

use super::{TlsError, validity::Utc};

/// What one side of TLS uses, and whether its files hold something else that cannot be used.
///
/// ```
/// # fn gauge(_: &str, _: f64) {}
/// # fn warn(_: String) {}
/// use std::time::SystemTime;
///
/// use plugin_transports::tls::ServerTls;
///
/// fn watch(tls: &ServerTls) {
///     let status = tls.status();
///     if let Some(until) = status.valid_until().and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok()) {
///         gauge("certificate_valid_until_seconds", until.as_secs_f64());
///     }
///     if let Some(error) = status.refused() {
///         warn(format!("the renewed certificate is not used: {error}"));
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TlsStatus {
    pub(super) certificate: Option<InUseCertificate>,
    pub(super) in_use_since: SystemTime,
    pub(super) renewals: u64,
    pub(super) refusal: Option<Arc<Refusal>>,
}

/// The certificate that is shown to the other side.
#[derive(Clone, Debug)]
pub(super) struct InUseCertificate {
    pub(super) names: Vec<String>,
    pub(super) valid_until: SystemTime,
}

impl InUseCertificate {
    pub(super) fn valid_until_text(&self) -> Option<tracing::field::DisplayValue<Utc>> {
        Some(tracing::field::display(Utc(self.valid_until)))
    }
}

/// What the files hold and why it is not used.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: TlsError,
    pub(super) since: SystemTime,
}

impl TlsStatus {
    /// Whom the certificate in use is for. Empty for a client that shows none.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.certificate.as_ref().map_or(&[], |certificate| &certificate.names)
    }

    /// Until when the certificate in use is good, with all of its chain that is in `cert_file`. `None` for a client that shows
    /// none.
    #[must_use]
    pub fn valid_until(&self) -> Option<SystemTime> {
        self.certificate.as_ref().map(|certificate| certificate.valid_until)
    }

    /// Since when new connections use it.
    #[must_use]
    pub fn in_use_since(&self) -> SystemTime {
        self.in_use_since
    }

    /// How often changed files were taken into use.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// What is wrong with what the files hold now, when that is not what is in use.
    #[must_use]
    pub fn refused(&self) -> Option<&TlsError> {
        self.refusal.as_ref().map(|refusal| &refusal.error)
    }

    /// When that was found.
    #[must_use]
    pub fn refused_since(&self) -> Option<SystemTime> {
        self.refusal.as_ref().map(|refusal| refusal.since)
    }
}
