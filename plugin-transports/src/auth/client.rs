//! A client that a server knows.

use std::fmt;

use plugin_core::{
    Code, ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{AuthConfig, AuthMethod};

/// A client that a server lets in, and what it shows: what [`Verifier::with_client`](super::Verifier::with_client) takes.
/// `Debug` shows no secret.
///
/// The [page of the crate](crate#settings) has the keys.
///
/// ```
/// use plugin_transports::auth::{AuthConfig, ClientConfig, Verifier};
///
/// let client = ClientConfig::new("billing", AuthConfig::api_key("a long secret"))?;
/// let verifier = Verifier::new().with_client(&client);
///
/// let mut headers = http::HeaderMap::new();
/// assert!(verifier.verify(&headers).is_none());
/// headers.insert("x-api-key", http::HeaderValue::from_static("a long secret"));
/// assert_eq!(verifier.verify(&headers).map(|client| client.name().to_owned()).as_deref(), Some("billing"));
///
/// let fault = ClientConfig::new("billing", AuthConfig::none()).expect_err("nothing to know it by");
/// assert_eq!(fault.to_string(), "`method` is none, which a server cannot check; it checks api-key, bearer, basic");
/// # Ok::<(), plugin_transports::plugin_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ClientConfig {
    name: String,
    auth: AuthConfig,
}

impl ClientConfig {
    /// Lets in who shows what a client with these settings sends, under this name.
    ///
    /// # Errors
    ///
    /// `AUTH_1105` for a method that a server cannot check by a header: all but `api-key`, `bearer` and `basic`. Else
    /// those of [`AuthConfig::build`].
    pub fn new(name: impl Into<String>, auth: AuthConfig) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() {
            return Err(ConfigError::new("name", "is missing; logs say by it who called"));
        }
        if !METHODS.contains(&auth.method().as_str()) {
            let problem =
                format!("is {}, which a server cannot check; it checks {}", auth.method(), METHODS.join(", "));
            return Err(ConfigError::new("method", problem).with_code(Code::UnsupportedAuthMethod));
        }
        auth.check()?;
        Ok(Self { name, auth })
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it shows.
    #[must_use]
    pub fn auth(&self) -> &AuthConfig {
        &self.auth
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("name", &self.name)
            .field("method", &self.auth.method())
            .finish_non_exhaustive()
    }
}

/// The methods that have a header of their own.
const METHODS: &[&str] = &[AuthMethod::ApiKey.as_str(), AuthMethod::Bearer.as_str(), AuthMethod::Basic.as_str()];

static TABLE: Table = Table::new(
    "server.auth",
    "A client that may call, and what it shows.",
    &[
        Key::new("name", Kind::Text, "Who it is, for logs.").required(),
        Key::new("method", Kind::Word(METHODS), "How it says so.").required().coded(Code::UnsupportedAuthMethod),
    ],
)
.over(AuthConfig::TABLE)
.without(&["cert_file", "key_file", "ca_file", "min_version", "headers"]);

impl Settings for ClientConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Self::new(values.text("name").unwrap_or_default(), AuthConfig::from_values(values)?)
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("name", self.name.as_str())
            .with("method", Given::word(self.auth.method().as_str()))
            .with("username", self.auth.username.clone())
    }
}

plugin_core::serde_by_settings!(ClientConfig, read only);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_no_header_carries_is_refused_and_no_secret_shown() {
        for auth in [AuthConfig::none(), AuthConfig::mtls("c", "k"), AuthConfig::custom().with_header("a", "b")] {
            let error = ClientConfig::new("ci", auth).expect_err("not for a server");
            assert_eq!((error.field(), error.code()), ("method", Code::UnsupportedAuthMethod), "{error}");
        }
        let error = ClientConfig::new("ci", AuthConfig::api_key("")).expect_err("no key");
        assert_eq!((error.field(), error.code()), ("api_key", Code::MissingApiKey));
        assert_eq!(ClientConfig::new("", AuthConfig::api_key("hunter2")).expect_err("nobody").field(), "name");
        let client = ClientConfig::new("ci", AuthConfig::basic("ann", "hunter2")).expect("whole");
        assert!(!format!("{client:?} {:?}", client.to_values()).contains("hunter2"), "{client:?}");
    }
}
