//! The keys that configuration files have for a plugin that is reached over HTTP.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{
    HttpConfig,
    config::{LEAST_MAX, MOST_MAX},
};
use crate::{auth::AuthConfig, connection::ConnectionConfig, net::version::HttpVersion};

const SIZE: Kind = Kind::size(LEAST_MAX as u64, MOST_MAX as u64);

static TABLE: Table = Table::new("http", "How a plugin is reached over HTTP.", &[
    Key::new("name", Kind::Text, "The plugin's name.").required(),
    Key::new("endpoint", Kind::Text, "Its URL.").required(),
    Key::new("health_endpoint", Kind::Text, "Where health is asked after: a path of the endpoint's origin, or a URL.")
        .derived_default("the endpoint's own path + `/health`"),
    Key::new("auth", Kind::Section(AuthConfig::TABLE), "What is shown to it."),
    Key::new("connection", Kind::Section(ConnectionConfig::TABLE), "How it is connected to."),
    Key::new(
        "version",
        Kind::Word(HttpVersion::NAMES),
        "`auto`: what the server picks over TLS, and HTTP/1.1 without. `http2` without TLS is spoken without asking.",
    )
    .default("auto"),
    Key::new("max_request", SIZE, "The largest payload; of a larger one nothing is sent (`PLUGIN_1207`).")
        .default("10MiB"),
    Key::new("max_response", SIZE, "The largest answer, after decompression (`PLUGIN_1207`).").default("10MiB"),
    Key::new("user_agent", Kind::Text, "The header `User-Agent`.").derived_default("`plugin-transports/` and its version"),
    Key::new(
        "allow_plaintext_credentials",
        Kind::Bool,
        "Whether credentials may travel over `http` to another machine, for everybody on the way to read.",
    )
    .default("false"),
]);

/// A look-up of names of one's own is no setting of a file, and neither is that a layer outside keeps the limit of an attempt.
/// Credentials are left out of what is written, and so is the endpoint's query.
impl Settings for HttpConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let text = |key| values.text(key).unwrap_or_default();
        let bytes = |key| values.size(key).and_then(|bytes| usize::try_from(bytes).ok());
        let mut builder = Self::builder(text("name"), text("endpoint")).with_health_endpoint(text("health_endpoint"));
        if let Some(values) = values.section("auth") {
            builder = builder.with_auth(AuthConfig::from_values(values).map_err(|error| error.within("auth"))?);
        }
        if let Some(values) = values.section("connection") {
            let connection = ConnectionConfig::from_values(values).map_err(|error| error.within("connection"))?;
            builder = builder.with_connection(connection);
        }
        if let Some(version) = values.word("version").and_then(HttpVersion::of) {
            builder = builder.with_version(version);
        }
        if let Some(bytes) = bytes("max_request") {
            builder = builder.with_max_request(bytes);
        }
        if let Some(bytes) = bytes("max_response") {
            builder = builder.with_max_response(bytes);
        }
        if let Some(agent) = values.text("user_agent") {
            builder = builder.with_user_agent(agent);
        }
        if let Some(allow) = values.bool("allow_plaintext_credentials") {
            builder = builder.with_plaintext_credentials(allow);
        }
        builder.check()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("name", self.name.as_str())
            .with("endpoint", self.endpoint.without_query())
            .with("health_endpoint", self.health.without_query())
            .with("connection", self.connection.to_values())
            .with("version", Given::word(self.version.as_str()))
            .with("max_request", Given::size(self.max_request))
            .with("max_response", Given::size(self.max_response))
            .with("user_agent", self.user_agent.to_str().ok())
    }
}

plugin_core::serde_by_settings!(HttpConfig, read only);
