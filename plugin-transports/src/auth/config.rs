//! The settings of a client's credentials.

use std::{borrow::Cow, fmt, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, header};
use plugin_core::{Code, ConfigError, PluginError};
use secrecy::{ExposeSecret, SecretString};

use super::{AuthMethod, Credentials, credentials::TlsFiles};

/// How a client says who it is. `Debug` shows no secret.
///
/// The [page of the crate](crate#settings) has the keys.
///
/// A secret that the method has no use for is refused, and an empty text counts as absent.
///
/// ```
/// use plugin_transports::auth::{AuthConfig, AuthMethod};
///
/// let auth = AuthConfig::bearer("a token");
/// assert_eq!(auth.method(), AuthMethod::Bearer);
/// assert!(!format!("{auth:?}").contains("a token"));
///
/// let fault = AuthConfig::api_key("").build().expect_err("a method without its secret");
/// assert_eq!(fault.to_string(), "`api_key` is missing; the method api-key needs it (AUTH_1101)");
/// # Ok::<(), plugin_transports::plugin_core::PluginError>(())
/// ```
#[derive(Clone, Default)]
pub struct AuthConfig {
    pub(super) method: AuthMethod,
    pub(super) api_key: Option<SecretString>,
    pub(super) token: Option<SecretString>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) files: TlsFiles,
    pub(super) headers: Vec<(String, SecretString)>,
}

impl AuthConfig {
    /// No credentials.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A key in `X-API-Key`.
    #[must_use]
    pub fn api_key(key: impl Into<SecretString>) -> Self {
        Self { method: AuthMethod::ApiKey, api_key: Some(key.into()), ..Self::default() }
    }

    /// A bearer token.
    #[must_use]
    pub fn bearer(token: impl Into<SecretString>) -> Self {
        Self { method: AuthMethod::Bearer, token: Some(token.into()), ..Self::default() }
    }

    /// A user name and a password.
    #[must_use]
    pub fn basic(username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self {
            method: AuthMethod::Basic,
            username: Some(username.into()),
            password: Some(password.into()),
            ..Self::default()
        }
    }

    /// A client certificate and its key, out of PEM files.
    #[must_use]
    pub fn mtls(cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self { method: AuthMethod::Mtls, ..Self::default() }.with_client_certificate(cert_file, key_file)
    }

    /// Nothing but the headers that [`with_header`](Self::with_header) adds.
    #[must_use]
    pub fn custom() -> Self {
        Self { method: AuthMethod::Custom, ..Self::default() }
    }

    /// Sends a client certificate besides.
    #[must_use]
    pub fn with_client_certificate(mut self, cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        self.files.cert = Some(cert_file.into());
        self.files.key = Some(key_file.into());
        self
    }

    /// Trusts the authorities in this PEM file, and no other.
    #[must_use]
    pub fn with_ca_file(mut self, ca_file: impl Into<PathBuf>) -> Self {
        self.files.ca = Some(ca_file.into());
        self
    }

    /// Sets the oldest version of TLS that is spoken.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_min_version(mut self, version: crate::tls::TlsVersion) -> Self {
        self.files.min_version = version;
        self
    }

    /// Sends a header with every request.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What it sets of TLS, for whoever wants to look at the files before anything connects; `None` when it sets nothing.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<crate::tls::ClientTlsConfig> {
        self.files.tls()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> AuthMethod {
        self.method
    }

    /// Checks the settings. Files are read when the transport connects.
    ///
    /// # Errors
    ///
    /// `AUTH_1101` to `AUTH_1105` as the table of the [module](super) says, and `CONFIG_1802` for a setting that the
    /// method has no use for, or a header that cannot be sent.
    pub fn build(&self) -> Result<Credentials, PluginError> {
        self.check().map_err(|error| PluginError::new(error.code(), error.to_string()).with_source(error))
    }

    /// The same; the error says which key it is about.
    pub(crate) fn check(&self) -> Result<Credentials, ConfigError> {
        self.refuse_useless()?;
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, value) in &self.headers {
            headers.push(own_header(name, value)?);
        }
        // The method's own header comes last, and wins.
        headers.extend(self.method_header()?);
        if self.method == AuthMethod::Custom && headers.is_empty() {
            let problem = "is custom, which sends `headers`, and there are none";
            return Err(error("method", Code::UnsupportedAuthMethod, problem).with_others(&["headers"]));
        }
        let password = present(&self.password).cloned();
        Ok(Credentials { headers, password, files: self.files.clone() })
    }

    fn method_header(&self) -> Result<Option<(HeaderName, HeaderValue)>, ConfigError> {
        let missing = |field, code| {
            let problem = format!("is missing; the method {} needs it", self.method);
            error(field, code, problem).with_others(&["method"])
        };
        let secret = |field, code, value: &Option<SecretString>| {
            present(value).map(|secret| secret.expose_secret().to_owned()).ok_or_else(|| missing(field, code))
        };
        let (field, code, name, value) = match self.method {
            AuthMethod::None | AuthMethod::Custom => return Ok(None),
            AuthMethod::Mtls if self.files.cert.is_some() && self.files.key.is_some() => return Ok(None),
            AuthMethod::Mtls => {
                let problem = "is mtls, which needs `cert_file` and `key_file`";
                let error = error("method", Code::MissingTlsFiles, problem);
                return Err(error.with_others(&["cert_file", "key_file"]));
            }
            AuthMethod::ApiKey => {
                let key = secret("api_key", Code::MissingApiKey, &self.api_key)?;
                ("api_key", Code::MissingApiKey, API_KEY, key)
            }
            AuthMethod::Bearer => {
                let token = secret("token", Code::MissingBearerToken, &self.token)?;
                ("token", Code::MissingBearerToken, header::AUTHORIZATION, format!("Bearer {token}"))
            }
            AuthMethod::Basic => {
                let code = Code::MissingBasicCredentials;
                let user = self.username.as_deref().filter(|name| !name.is_empty());
                let user = user.ok_or_else(|| missing("username", code))?;
                if user.contains(':') {
                    return Err(error("username", code, "cannot hold a colon, which ends it on the wire"));
                }
                let password = secret("password", code, &self.password)?;
                ("password", code, header::AUTHORIZATION, basic(user, &password))
            }
        };
        let problem = "holds a character that no HTTP header can carry; is there a line break at its end?";
        let mut value = HeaderValue::try_from(value).map_err(|_| error(field, code, problem))?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    fn refuse_useless(&self) -> Result<(), ConfigError> {
        let method = self.method;
        let useless = [
            ("api_key", present(&self.api_key).is_some() && method != AuthMethod::ApiKey),
            ("token", present(&self.token).is_some() && method != AuthMethod::Bearer),
            ("username", self.username.as_ref().is_some_and(|name| !name.is_empty()) && method != AuthMethod::Basic),
            ("password", present(&self.password).is_some() && method != AuthMethod::Basic),
        ];
        if let Some((field, _)) = useless.into_iter().find(|(_, useless)| *useless) {
            let problem = format!("has no effect with the method {method}; set `method`, or take it out");
            return Err(ConfigError::new(field, problem).with_others(&["method"]));
        }
        let alone = |field, other: &'static [&'static str]| {
            let problem = format!("needs `{}` beside it", other.join(", "));
            Err(error(field, Code::MissingTlsFiles, problem).with_others(other))
        };
        match (&self.files.cert, &self.files.key) {
            (Some(_), None) => alone("cert_file", &["key_file"]),
            (None, Some(_)) => alone("key_file", &["cert_file"]),
            _ => Ok(()),
        }
    }
}

fn error(field: &'static str, code: Code, problem: impl Into<Cow<'static, str>>) -> ConfigError {
    ConfigError::new(field, problem).with_code(code)
}

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

pub(super) fn present(secret: &Option<SecretString>) -> Option<&SecretString> {
    secret.as_ref().filter(|secret| !secret.expose_secret().is_empty())
}

/// Headers that frame the message or say what is in it, which are the transport's.
const FRAMING: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn own_header(name: &str, value: &SecretString) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let error = |problem: String| ConfigError::new("headers", problem);
    // It may be a whole line of a head, with the secret in it, and is not shown.
    let parsed = HeaderName::try_from(name).map_err(|_| {
        error("has a name that is not one of an HTTP header; its value goes behind a colon of its own".to_owned())
    })?;
    if FRAMING.contains(&parsed.as_str()) {
        return Err(error(format!("must not set {name:?}, which the transport sets itself")));
    }
    let mut value = HeaderValue::try_from(value.expose_secret())
        .map_err(|_| error(format!("has a value for {name:?} with a character that no HTTP header can carry")))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("AuthConfig")
            .field("method", &self.method)
            .field("files", &self.files)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(config: &AuthConfig) -> Code {
        config.build().expect_err("incomplete").code()
    }

    #[test]
    fn each_method_names_what_it_lacks() {
        let bare = |method| AuthConfig { method, ..AuthConfig::default() };
        assert_eq!(code(&AuthConfig::api_key("")), Code::MissingApiKey);
        assert_eq!(code(&bare(AuthMethod::Bearer)), Code::MissingBearerToken);
        assert_eq!(code(&AuthConfig::basic("", "p")), Code::MissingBasicCredentials);
        assert_eq!(code(&AuthConfig::basic("u", "")), Code::MissingBasicCredentials);
        assert_eq!(code(&AuthConfig::basic("u:v", "p")), Code::MissingBasicCredentials);
        assert_eq!(code(&bare(AuthMethod::Mtls)), Code::MissingTlsFiles);
        assert_eq!(code(&AuthConfig::custom()), Code::UnsupportedAuthMethod);
        assert_eq!("oauth".parse::<AuthMethod>().expect_err("unknown").code(), Code::UnsupportedAuthMethod);
        assert_eq!(code(&AuthConfig::bearer("a\nb")), Code::MissingBearerToken);
        for method in AuthMethod::ALL {
            assert_eq!(method.as_str().parse::<AuthMethod>().expect("its own name"), method);
        }
    }

    #[test]
    fn each_method_sends_its_header_after_the_configured_ones() {
        let sent = |config: AuthConfig| {
            let credentials = config.with_header("X-Tenant", "t1").build().expect("complete");
            let mut headers = http::HeaderMap::new();
            credentials.apply(&mut headers);
            assert_eq!(headers["x-tenant"], "t1");
            assert!(headers.values().all(HeaderValue::is_sensitive));
            headers
        };
        assert_eq!(sent(AuthConfig::api_key("k"))["x-api-key"], "k");
        assert_eq!(sent(AuthConfig::bearer("t"))["authorization"], "Bearer t");
        // The example of RFC 7617, section 2.
        let basic = sent(AuthConfig::basic("Aladdin", "open sesame"));
        assert_eq!(basic["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let overruled = AuthConfig::bearer("t").with_header("Authorization", "other");
        assert_eq!(sent(overruled)["authorization"], "Bearer t");
        assert_eq!(sent(AuthConfig::none()).len(), 1);
    }

    #[test]
    fn a_setting_without_effect_and_a_framing_header_are_refused() {
        let useless = AuthConfig { token: Some("t".into()), ..AuthConfig::api_key("k") };
        let error = useless.build().expect_err("two secrets");
        assert_eq!(error.code(), Code::ConfigValue);
        assert!(error.message().contains("`token` has no effect with the method api-key"), "{error}");
        for name in ["Host", "content-length", "no name"] {
            assert_eq!(code(&AuthConfig::none().with_header(name, "v")), Code::ConfigValue, "{name}");
        }
        let half =
            AuthConfig { files: TlsFiles { cert: Some("c".into()), ..TlsFiles::default() }, ..AuthConfig::none() };
        assert_eq!(code(&half), Code::MissingTlsFiles);
    }

    #[test]
    fn no_secret_is_shown() {
        let secrets = [
            AuthConfig::api_key("s3cret"),
            AuthConfig::bearer("s3cret"),
            AuthConfig::basic("user", "s3cret"),
            AuthConfig::custom().with_header("X-Key", "s3cret"),
        ];
        for config in secrets {
            let text = format!("{config:?} {:?}", config.build().expect("complete"));
            assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
            let broken = config.with_header("X", "s3cret\n").build().expect_err("a line break");
            assert!(!format!("{broken:?} {broken}").contains("s3cret"));
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_document_is_read_strictly() {
        let read = |json: &str| serde_json::from_str::<AuthConfig>(json).map_err(|error| error.to_string());
        let config = read(r#"{"method":"bearer","token":"t","api_key":"","headers":{"X-A":"b"},"ca_file":"ca.pem"}"#);
        let config = config.expect("valid");
        assert_eq!((config.method(), config.files.ca.as_deref()), (AuthMethod::Bearer, Some("ca.pem".as_ref())));
        assert!(read(r#"{"method":"bearer"}"#).expect_err("no token").contains("AUTH_1102"));
        assert!(read(r#"{"method":"magic"}"#).expect_err("unknown").contains("AUTH_1105]"));
        assert!(read(r#"{"methud":"none"}"#).expect_err("unknown").contains("unknown field `methud`"));
    }
}
