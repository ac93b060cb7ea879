//! `auth` of a plugin: what the gateway shows to it.

use std::path::PathBuf;

use plugin_core::{Code, PluginError};
use plugin_settings::Keys;
use plugin_transports::auth::{AuthConfig, AuthMethod};
use plugin_transports::tls::ClientTlsConfig;

use super::super::server::unusable;

/// Credentials, and the files of TLS that go with them.
#[derive(Clone, Debug)]
pub(super) struct Auth {
    pub(super) config: AuthConfig,
    tls: ClientTlsConfig,
    files: bool,
}

impl Auth {
    /// Reads the certificates, for a plugin that is to be reached by TLS, to say what is wrong with them.
    pub(super) fn check_files(&self, keys: &Keys<'_, '_>) {
        if !self.files {
            return;
        }
        if let Err(error) = self.tls.build() {
            keys.fault(&format!("auth.{}", error.setting()), Code::MissingTlsFiles, unusable(&error));
        }
    }
}

/// What the method has a use for, of the keys that belong to one method alone.
fn used(method: AuthMethod) -> &'static [&'static str] {
    match method {
        AuthMethod::ApiKey => &["api_key"],
        AuthMethod::Bearer => &["token"],
        AuthMethod::Basic => &["username", "password"],
        _ => &[],
    }
}

pub(super) fn read(keys: &mut Keys<'_, '_>) -> Option<Auth> {
    let method = keys.word("method", |name| name.parse::<AuthMethod>().ok());
    let (api_key, token) = (keys.secret("api_key"), keys.secret("token"));
    let (username, password) = (keys.text("username"), keys.secret("password"));
    let (cert, key, ca) = (keys.path("cert_file"), keys.path("key_file"), keys.path("ca_file"));
    let headers = keys.field("headers").and_then(|field| field.string_map()).unwrap_or_default();
    let method = method?;
    let single = [
        ("api_key", api_key.is_some()),
        ("token", token.is_some()),
        ("username", username.is_some()),
        ("password", password.is_some()),
    ];
    for (name, _) in single.iter().filter(|(name, present)| *present && !used(method).contains(name)) {
        let problem = format!("`{name}` has no effect with the method {method}; set `method`, or take it out");
        keys.fault(name, Code::ConfigValue, problem);
    }
    let files = cert.is_some() || key.is_some() || ca.is_some();
    let own = certificate(keys, method, cert, key);
    let mut config = match (method, &own) {
        (AuthMethod::ApiKey, _) => AuthConfig::api_key(api_key.unwrap_or_default()),
        (AuthMethod::Bearer, _) => AuthConfig::bearer(token.unwrap_or_default()),
        (AuthMethod::Basic, _) => AuthConfig::basic(username.unwrap_or_default(), password.unwrap_or_default()),
        (AuthMethod::Mtls, Some((cert, key))) => AuthConfig::mtls(cert, key),
        (AuthMethod::Custom, _) => AuthConfig::custom(),
        _ => AuthConfig::none(),
    };
    let mut tls = ClientTlsConfig::new();
    if let Some((cert, key)) = own {
        config = config.with_client_certificate(&cert, &key);
        tls = tls.with_client_certificate(cert, key);
    }
    if let Some(ca) = ca {
        config = config.with_ca_file(&ca);
        tls = tls.with_ca_file(ca);
    }
    let config = headers.into_iter().fold(config, |config, (name, value)| config.with_header(name, value));
    let sound = keys.are_sound();
    let note = |error: &PluginError| {
        if sound {
            keys.fault(key_of(error), error.code(), error.message());
        }
    };
    config.build().inspect_err(note).ok()?;
    Some(Auth { config, tls, files })
}

/// A client certificate is a pair of files.
fn certificate(
    keys: &Keys<'_, '_>,
    method: AuthMethod,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Option<(PathBuf, PathBuf)> {
    let missing = |at, problem: &str| keys.fault(at, Code::MissingTlsFiles, problem);
    match (cert, key) {
        (Some(cert), Some(key)) => return Some((cert, key)),
        (Some(_), None) => missing("cert_file", "`cert_file` needs `key_file` beside it"),
        (None, Some(_)) => missing("key_file", "`key_file` needs `cert_file` beside it"),
        (None, None) if method == AuthMethod::Mtls => {
            missing("method", "the method mtls needs `cert_file` and `key_file`")
        }
        (None, None) => {}
    }
    None
}

/// Which key an error of the credentials is about.
fn key_of(error: &PluginError) -> &'static str {
    match error.code() {
        Code::MissingApiKey => "api_key",
        Code::MissingBearerToken => "token",
        Code::MissingBasicCredentials if error.message().contains("`password`") => "password",
        Code::MissingBasicCredentials => "username",
        Code::UnsupportedAuthMethod => "method",
        _ => "headers",
    }
}
