//! What is in use, and what came of the last change, for those who operate it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{TlsError, validity::Utc};

/// Whoever renews a certificate has done so long before: a public authority's advice is two thirds of its time.
const AT_THE_LATEST: Duration = Duration::from_secs(14 * 86_400);

/// One that is good for a few days, or for hours, is renewed in the last of them.
const LAST_PART: u32 = 10;

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
///     if status.ends_soon(SystemTime::now()) {
///         warn("the certificate has not been renewed".to_owned());
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
    pub(super) refusals: u64,
    pub(super) refusal: Option<Arc<Refusal>>,
}

/// The certificate that is shown to the other side.
#[derive(Clone, Debug)]
pub(super) struct InUseCertificate {
    pub(super) names: Vec<String>,
    pub(super) valid_from: SystemTime,
    pub(super) valid_until: SystemTime,
}

impl InUseCertificate {
    /// When it should have been renewed.
    fn is_late_from(&self) -> SystemTime {
        let life = self.valid_until.duration_since(self.valid_from).unwrap_or_default();
        let left = (life / LAST_PART).min(AT_THE_LATEST);
        self.valid_until.checked_sub(left).unwrap_or(self.valid_until)
    }

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

    /// Whether it is time that somebody looks after it: of the time for which the certificate in use is good less than a tenth is
    /// left, and less than two weeks. `false` for a client that shows none.
    #[must_use]
    pub fn ends_soon(&self, now: SystemTime) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| now >= certificate.is_late_from())
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

    /// How often changed files could not be used: each content counts once, and so does a disk that does not answer.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// What is wrong with what the files hold now, when that is not what is in use; or that it is not known, since the disk has
    /// not answered for a minute.
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

/// Whom the certificate in use is for, and until when it is good: `for localhost until 2027-01-31T12:00:00Z`.
impl fmt::Display for TlsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.certificate {
            Some(InUseCertificate { names, valid_until, .. }) => {
                write!(f, "for {} until {}", names.join(", "), Utc(*valid_until))
            }
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_ends_soon_in_the_last_tenth_of_its_time_and_in_its_last_two_weeks() {
        let now = plugin_core::clock::wall();
        let hour = Duration::from_secs(3600);
        let day = 24 * hour;
        for (life, late) in [(day, day / 10), (90 * day, 9 * day), (365 * day, 14 * day), (3650 * day, 14 * day)] {
            let certificate = InUseCertificate { names: Vec::new(), valid_from: now, valid_until: now + life };
            let status = TlsStatus {
                certificate: Some(certificate),
                in_use_since: now,
                renewals: 0,
                refusals: 0,
                refusal: None,
            };
            let second = Duration::from_secs(1);
            assert!(!status.ends_soon(now) && !status.ends_soon(now + life - late - second), "{life:?}");
            assert!(status.ends_soon(now + life - late) && status.ends_soon(now + life + day), "{life:?}");
            assert!(!TlsStatus { certificate: None, ..status }.ends_soon(now + 2 * life), "there is none");
        }
    }
}
