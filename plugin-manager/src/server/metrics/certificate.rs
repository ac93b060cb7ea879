//! The figures of a certificate: of a listener under one name, of the client of a plugin under another.

use plugin_transports::tls::TlsStatus;

/// A number that is read of what one side of TLS uses.
pub(in crate::server) struct CertificateFigure {
    pub(in crate::server) of_listeners: &'static str,
    pub(in crate::server) of_plugins: &'static str,
    pub(in crate::server) help: &'static str,
    /// It only grows.
    pub(in crate::server) is_count: bool,
    pub(in crate::server) read: fn(&TlsStatus) -> Option<u64>,
}

impl CertificateFigure {
    pub(in crate::server) const EXPIRY: Self = Self {
        of_listeners: "plugin_manager_certificate_expiry_timestamp_seconds",
        of_plugins: "plugin_certificate_expiry_timestamp_seconds",
        help: "Until when the certificate in use is good, with its chain, in seconds since 1970.",
        is_count: false,
        read: |status| {
            let since_1970 = status.valid_until()?.duration_since(std::time::SystemTime::UNIX_EPOCH);
            Some(since_1970.map_or(0, |since| since.as_secs()))
        },
    };
    pub(in crate::server) const REFUSED: Self = Self {
        of_listeners: "plugin_manager_certificate_refused",
        of_plugins: "plugin_certificate_refused",
        help: "1 while the files of TLS hold something that cannot be used, and connections go on with what they held before.",
        is_count: false,
        read: |status| Some(u64::from(status.refused().is_some())),
    };
    pub(in crate::server) const RENEWALS: Self = Self {
        of_listeners: "plugin_manager_certificate_renewals_total",
        of_plugins: "plugin_certificate_renewals_total",
        help: "How often changed files of TLS were taken into use.",
        is_count: true,
        read: |status| Some(status.renewals()),
    };
    pub(in crate::server) const REFUSALS: Self = Self {
        of_listeners: "plugin_manager_certificate_refusals_total",
        of_plugins: "plugin_certificate_refusals_total",
        help: "How often changed files of TLS could not be used.",
        is_count: true,
        read: |status| Some(status.refusals()),
    };

    pub(in crate::server) const ALL: [Self; 4] = [Self::EXPIRY, Self::REFUSED, Self::RENEWALS, Self::REFUSALS];
}
