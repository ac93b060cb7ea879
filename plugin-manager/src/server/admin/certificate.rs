//! The JSON of a certificate that the gateway shows.

use plugin_core::clock;
use plugin_transports::tls::{TlsErrorKind, TlsStatus};
use serde::Serialize;

use super::moment::epoch_ms;
use crate::server::certificates::CertificateOwner;

/// What one side of TLS uses. Of a client that shows no certificate it has neither names nor an end.
#[derive(Serialize)]
pub(super) struct CertificateJson {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until_ms: Option<u64>,
    /// It is time that somebody renews it.
    ends_soon: bool,
    in_use_since_ms: Option<u64>,
    renewals: u64,
    refusals: u64,
    /// What is wrong with what the files hold now, where that is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_since_ms: Option<u64>,
    /// That nothing is known of what the files hold now, since their disk does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    unanswered: Option<bool>,
}

impl CertificateJson {
    pub(super) fn of(status: &TlsStatus) -> Self {
        Self {
            names: status.names().to_vec(),
            valid_until_ms: status.valid_until().and_then(epoch_ms),
            ends_soon: status.ends_soon(clock::wall()),
            in_use_since_ms: epoch_ms(status.in_use_since()),
            renewals: status.renewals(),
            refusals: status.refusals(),
            refused: status.refused().map(ToString::to_string),
            refused_since_ms: status.refused_since().and_then(epoch_ms),
            unanswered: status.refused().map(|error| error.kind() == TlsErrorKind::Unanswered),
        }
    }
}

/// The same with who shows it: a listener or a plugin.
#[derive(Serialize)]
pub(super) struct OwnedCertificate {
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    #[serde(flatten)]
    certificate: CertificateJson,
}

impl OwnedCertificate {
    pub(super) fn of((owner, status): (CertificateOwner, TlsStatus)) -> Self {
        let certificate = CertificateJson::of(&status);
        match owner {
            CertificateOwner::Listener(name) => Self { listener: Some(name), plugin: None, certificate },
            CertificateOwner::Plugin(name) => Self { listener: None, plugin: Some(name), certificate },
        }
    }
}
