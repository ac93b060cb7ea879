//! The keys that configuration files have for a plugin that is reached over a Unix socket.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::UnixConfig;
use crate::{auth::AuthConfig, connection::ConnectionConfig, unix::LEAST_LINE};

/// Those of credentials that travel as headers: a socket has no TLS.
static AUTH: Table = Table::new(
    "unix.auth",
    "What is shown to it.",
    &[Key::new("method", Kind::Word(&["none", "api-key", "bearer", "basic", "custom"]), "What is sent.")
        .default("none")],
)
.over(AuthConfig::TABLE)
.without(&["cert_file", "key_file", "ca_file", "min_version"]);

/// Those of connections on which nothing is compressed.
static CONNECTION: Table = Table::new("unix.connection", "How it is connected to.", &[])
    .over(ConnectionConfig::TABLE)
    .without(&["disable_compression"]);

static TABLE: Table = Table::new(
    "unix",
    "How a plugin is reached over a Unix socket.",
    &[
        Key::new("name", Kind::Text, "The plugin's name.").required(),
        Key::new("endpoint", Kind::Text, "Its socket, such as /run/p.sock; an abstract name is written @p.").required(),
        Key::new("auth", Kind::Section(&AUTH), "What is shown to it, as headers of each request."),
        Key::new("connection", Kind::Section(&CONNECTION), "How it is connected to."),
        Key::new(
            "max_line",
            Kind::size(LEAST_LINE as u64, 1 << 30),
            "The longest request, with all that travels with it, and the longest reply (`PLUGIN_1207`).",
        )
        .default("4MiB"),
    ],
);

/// The values of a section that has fewer keys, as those of the one it was made of.
fn all(values: &Values, table: &'static Table) -> Values {
    values.iter().fold(Values::new(table), |all, (key, value)| all.with(key, value.clone()))
}

/// That a layer outside keeps the limit of an attempt is no setting of a file. Credentials are left out of what is written.
impl Settings for UnixConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let text = |key| values.text(key).unwrap_or_default();
        let mut builder = Self::builder(text("name"), text("endpoint"));
        if let Some(values) = values.section("auth") {
            let auth = AuthConfig::from_values(&all(values, AuthConfig::TABLE));
            builder = builder.with_auth(auth.map_err(|error| error.within("auth"))?);
        }
        if let Some(values) = values.section("connection") {
            let connection = ConnectionConfig::from_values(&all(values, ConnectionConfig::TABLE));
            builder = builder.with_connection(connection.map_err(|error| error.within("connection"))?);
        }
        if let Some(bytes) = values.size("max_line").and_then(|bytes| usize::try_from(bytes).ok()) {
            builder = builder.with_max_line(bytes);
        }
        builder.check()
    }

    fn to_values(&self) -> Values {
        let connection = self.connection.to_values();
        let connection = connection.iter().filter(|(key, _)| *key != "disable_compression");
        let connection = connection.fold(Values::new(&CONNECTION), |all, (key, value)| all.with(key, value.clone()));
        Values::new(&TABLE)
            .with("name", self.name.as_str())
            .with("endpoint", self.socket.to_string())
            .with("connection", connection)
            .with("max_line", Given::size(self.max_line))
    }
}

plugin_core::serde_by_settings!(UnixConfig, read only);
