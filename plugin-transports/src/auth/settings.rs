//! The keys that configuration files have for the credentials of a client.

use std::path::PathBuf;

use plugin_core::{
    Code, ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};
use secrecy::SecretString;

use super::{AuthConfig, AuthMethod, credentials::TlsFiles};

static TABLE: Table = Table::new(
    "auth",
    "How a client says who it is.",
    &[
        Key::new("method", Kind::Word(AuthMethod::NAMES), "What is sent.")
            .default("none")
            .go()
            .coded(Code::UnsupportedAuthMethod),
        Key::new("api_key", Kind::Secret, "For `api-key`: sent as `X-API-Key`.").go(),
        Key::new("token", Kind::Secret, "For `bearer`.").go(),
        Key::new("username", Kind::Text, "For `basic`.").go(),
        Key::new("password", Kind::Secret, "For `basic`.").go(),
        Key::new(
            "cert_file",
            Kind::Path,
            "A client certificate with its chain, PEM. For `mtls`, and sent with every other method too.",
        )
        .go(),
        Key::new("key_file", Kind::Path, "The private key of `cert_file`, PEM.").go(),
        Key::new("ca_file", Kind::Path, "The only authorities that are trusted, PEM; the platform's by default.").go(),
        #[cfg(feature = "tls")]
        Key::new("min_version", Kind::Word(&["1.2", "1.3"]), "The oldest version of TLS that is spoken.")
            .default("1.2"),
        Key::new("headers", Kind::SecretMap, "Headers that are sent with every method.").go(),
    ],
);

impl Settings for AuthConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let secret = |key| values.text(key).map(SecretString::from);
        let path = |key| values.text(key).map(PathBuf::from);
        let headers = values.map("headers").unwrap_or_default().iter();
        let config = Self {
            method: values.word("method").and_then(|name| name.parse().ok()).unwrap_or_default(),
            api_key: secret("api_key"),
            token: secret("token"),
            username: values.text("username").map(str::to_owned),
            password: secret("password"),
            files: TlsFiles {
                cert: path("cert_file"),
                key: path("key_file"),
                ca: path("ca_file"),
                #[cfg(feature = "tls")]
                min_version: values.word("min_version").map(str::parse).transpose()?.unwrap_or_default(),
            },
            headers: headers.map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
        };
        config.check()?;
        Ok(config)
    }

    fn to_values(&self) -> Values {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let values = Values::new(&TABLE)
            .with("method", Given::word(self.method.as_str()))
            .with("username", self.username.clone())
            .with("cert_file", path(&self.files.cert))
            .with("key_file", path(&self.files.key))
            .with("ca_file", path(&self.files.ca));
        #[cfg(feature = "tls")]
        let values = values.with("min_version", Given::word(self.files.min_version.as_str()));
        values
    }
}

plugin_core::serde_by_settings!(AuthConfig, read only);
