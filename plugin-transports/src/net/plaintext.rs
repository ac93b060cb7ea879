//! Where credentials may go, and what is set of TLS.

use plugin_core::{Code, ConfigError};

use super::endpoint::Endpoint;
use crate::auth::Credentials;

/// Refuses credentials that would travel in plain text to another machine, unless that is allowed, and what is set of TLS where no
/// endpoint has it: the first is that of the calls, to which credentials go.
pub(crate) fn check(credentials: &Credentials, endpoints: &[&Endpoint], allow: bool) -> Result<(), ConfigError> {
    let unsupported = |key, problem: String| {
        Err(ConfigError::new(key, problem).with_code(Code::UnsupportedAuthMethod).within("auth"))
    };
    let set = credentials.files().of_use_with_tls();
    if let Some(key) = set.filter(|_| !endpoints.iter().any(|endpoint| endpoint.tls)) {
        let origin = endpoints.first().map(|endpoint| endpoint.as_written()).unwrap_or_default();
        return unsupported(key, format!("needs an endpoint with TLS, such as one with https, and {origin} has none"));
    }
    match endpoints.first() {
        Some(endpoint) if credentials.has_headers() && !endpoint.tls && !endpoint.is_local() && !allow => {
            let origin = endpoint.as_written();
            let problem = format!(
                "would send credentials to {origin} in plain text; use TLS, or allow it with \
                 `allow_plaintext_credentials`"
            );
            unsupported("method", problem)
        }
        _ => Ok(()),
    }
}

impl Endpoint {
    /// Whether TLS can be spoken with it.
    #[cfg(feature = "tls")]
    pub(crate) fn check_tls(&self, key: &'static str) -> Result<(), ConfigError> {
        if self.tls && rustls_pki_types::ServerName::try_from(self.host()).is_err() {
            let problem = format!(
                "has the host {:?}, which is neither a name nor an address that a certificate could have",
                self.host()
            );
            return Err(ConfigError::new(key, problem).with_code(Code::InvalidEndpointFormat));
        }
        Ok(())
    }

    /// Whether TLS can be spoken with it.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn check_tls(&self, key: &'static str) -> Result<(), ConfigError> {
        if self.tls {
            let problem = "is https, which is not in this build of plugin-transports; build it with the feature `tls`";
            return Err(ConfigError::new(key, problem).with_code(Code::UnsupportedTransport));
        }
        Ok(())
    }
}
