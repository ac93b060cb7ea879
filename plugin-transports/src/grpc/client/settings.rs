//! The keys that configuration files have for a plugin that is reached over gRPC.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};
use serde_json::Value as Json;

use super::{
    GrpcConfig,
    config::{LEAST_MAX, MOST_MAX},
};
use crate::{auth::AuthConfig, connection::ConnectionConfig, options};

const SIZE: Kind = Kind::size(LEAST_MAX as u64, MOST_MAX as u64);

/// One connection serves all calls, which is no setting.
static CONNECTION: Table = Table::new("grpc.connection", "How it is connected to.", &[])
    .over(ConnectionConfig::TABLE)
    .without(&["keep_alive"]);

static TABLE: Table = Table::new(
    "grpc",
    "How a plugin is reached over gRPC.",
    &[
        Key::new("name", Kind::Text, "The plugin's name.").required(),
        Key::new(
            "endpoint",
            Kind::Text,
            "Its host and port, with a scheme or without, or `unix:` and the path of a socket.",
        )
        .required(),
        Key::new("tls", Kind::Bool, "Whether TLS is spoken with an endpoint that has no scheme.").default("false"),
        Key::new("auth", Kind::Section(AuthConfig::TABLE), "What is shown to it."),
        Key::new("connection", Kind::Section(&CONNECTION), "How it is connected to."),
        Key::new(
            "content_type",
            Kind::Text,
            "What payloads and results are. Those of another type than JSON are not looked into.",
        )
        .default("application/json"),
        Key::new("options", Kind::Object, "What it is told on each new connection, before any call on it."),
        Key::new(
            "health_service",
            Kind::Text,
            "The service that the standard health check is asked for; it must be known there.",
        )
        .derived_default("`plugin.v1.PluginService`, and none where that is not known"),
        Key::new("max_request", SIZE, "The largest payload; of a larger one nothing is sent (`PLUGIN_1207`).")
            .default("10MiB"),
        Key::new("max_response", SIZE, "The largest answer, after decompression (`PLUGIN_1207`).").default("10MiB"),
        Key::new("user_agent", Kind::Text, "The header `User-Agent`.")
            .derived_default("`plugin-transports/` and its version"),
        Key::new(
            "allow_plaintext_credentials",
            Kind::Bool,
            "Whether credentials may travel in plain text to another machine, for everybody on the way to read.",
        )
        .default("false"),
    ],
);

/// A look-up of names of one's own is no setting of a file, and neither is that a layer outside keeps the limit of an attempt.
/// Credentials and options are left out of what is written.
impl Settings for GrpcConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let text = |key| values.text(key).unwrap_or_default();
        let bytes = |key| values.size(key).and_then(|bytes| usize::try_from(bytes).ok());
        let mut builder = Self::builder(text("name"), text("endpoint"))
            .with_tls(values.bool("tls").unwrap_or_default())
            .with_content_type(text("content_type"))
            .with_health_service(text("health_service"))
            .with_plaintext_credentials(values.bool("allow_plaintext_credentials").unwrap_or_default());
        if let Some(values) = values.section("auth") {
            builder = builder.with_auth(AuthConfig::from_values(values).map_err(|error| error.within("auth"))?);
        }
        if let Some(values) = values.section("connection") {
            let connection = ConnectionConfig::from_values(values).map_err(|error| error.within("connection"))?;
            builder = builder.with_connection(connection);
        }
        if let Some(Json::Object(options)) = values.any("options").map(options::json) {
            builder = builder.with_options(options);
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
        builder.check()
    }

    fn to_values(&self) -> Values {
        Values::new(&TABLE)
            .with("name", self.name.as_str())
            .with("endpoint", self.endpoint.origin())
            .with("tls", self.endpoint.tls)
            .with("connection", self.connection.to_values())
            .with("content_type", self.content_type.as_str())
            .with("health_service", Some(self.health_service.as_str()).filter(|name| !name.is_empty()))
            .with("max_request", Given::size(self.max_request))
            .with("max_response", Given::size(self.max_response))
            .with("user_agent", self.user_agent.to_str().ok())
    }
}

plugin_core::serde_by_settings!(GrpcConfig, read only);
