//! `endpoint` and `instances`: where a plugin is reached over a network.

use std::collections::HashMap;

use plugin_core::settings::{Key, Kind, Table};
use plugin_core::{Code, ConfigError};
use plugin_lb::Endpoint;
use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;
use plugin_settings::{Keys, redact_url};
use plugin_transports::ConnectionConfig;
use plugin_transports::auth::AuthConfig;
use plugin_transports::grpc::{GrpcConfig, GrpcConfigBuilder};
use plugin_transports::http::{HttpConfig, HttpConfigBuilder, HttpVersion};
use plugin_transports::unix::UnixConfig;

use super::super::limits::{self, CONCURRENCY};
use super::bounds::Bounds;
use super::{InstanceConfig, InstanceTransport, PluginConfig, TransportKind};
use crate::manager::looks_alike;

/// What people call an endpoint.
pub(super) const URL: &[&str] =
    &["url", "uri", "address", "addr", "base_url", "host", "target", "upstream", "socket", "path"];

pub(in crate::config) static TABLE: Table = Table::new(
    "instance",
    "One of the places where a plugin is reached.",
    &[
        Key::new("name", Kind::Text, "Its name within the plugin; the endpoint by default."),
        Key::new("endpoint", Kind::Text, "Its URL, `host:port` for gRPC, or the path of its Unix socket.")
            .required()
            .meant_by(URL),
        Key::new(
            "weight",
            Kind::integer(1, Endpoint::MAX_WEIGHT as i128),
            "Its share of the calls, for the weighted strategies.",
        )
        .default("1"),
        Key::new("priority", Kind::integer(i32::MIN as i128, i32::MAX as i128), "Larger is higher, for `priority`.")
            .default("0"),
        Key::new("enabled", Kind::Bool, "Whether it takes calls from the start.").default("true"),
        Key::new(
            "zone",
            Kind::Text,
            "Where it runs. Those in the zone of `load_balancer` take the calls, as long as they can.",
        ),
        Key::new("concurrency", Kind::Optional(&CONCURRENCY), "How many calls of it are in flight at once.")
            .default("off"),
    ],
);

/// One of `instances` as it was read.
#[derive(Debug)]
pub(super) struct PlaceOf {
    name: Option<String>,
    endpoint: Option<String>,
    weight: u32,
    priority: i32,
    enabled: bool,
    zone: Option<String>,
    concurrency: Option<ConcurrencyLimitConfig>,
}

impl PlaceOf {
    pub(super) fn read(keys: &mut Keys<'_>) -> Self {
        Self {
            name: keys.text("name"),
            endpoint: keys.text("endpoint"),
            weight: keys.integer("weight").unwrap_or(1),
            priority: keys.integer("priority").unwrap_or(0),
            enabled: keys.bool("enabled").unwrap_or(true),
            zone: keys.text("zone"),
            concurrency: limits::concurrency(keys, "concurrency"),
        }
    }

    /// Whether its calls in flight are limited.
    pub(super) fn has_limit(&self) -> bool {
        self.concurrency.is_some()
    }

    /// The one place of a plugin with `endpoint`.
    fn only(endpoint: String) -> Self {
        Self {
            name: None,
            endpoint: Some(endpoint),
            weight: 1,
            priority: 0,
            enabled: true,
            zone: None,
            concurrency: None,
        }
    }
}

/// What all instances of a plugin have in common.
pub(super) struct Common<'a> {
    pub(super) transport: TransportKind,
    pub(super) connection: ConnectionConfig,
    pub(super) auth: Option<&'a AuthConfig>,
    pub(super) health: Option<&'a str>,
    pub(super) bounds: Bounds,
}

/// The instances of a plugin, each as its transport needs it.
pub(super) fn resolve(
    keys: &Keys<'_>,
    plugin: &PluginConfig,
    endpoint: Option<String>,
    places: Option<Vec<PlaceOf>>,
    common: &Common<'_>,
) -> Vec<InstanceConfig> {
    let transport = common.transport;
    let listed = places.is_some();
    let places = match (endpoint, places) {
        (Some(_), Some(places)) => {
            let problem = "stands beside `instances`, which name an endpoint each; take one of them out";
            keys.fault("endpoint", Code::ConfigSchema, problem);
            places
        }
        (Some(endpoint), None) => vec![PlaceOf::only(endpoint)],
        (None, Some(places)) if places.is_empty() => {
            keys.fault("instances", Code::MissingEndpoint, "the list is empty; it needs at least one instance");
            return Vec::new();
        }
        (None, Some(places)) => places,
        (None, None) => {
            let problem = format!("the transport {transport} needs `endpoint` or `instances`");
            keys.fault("endpoint", Code::MissingEndpoint, problem);
            return Vec::new();
        }
    };
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut instances = Vec::with_capacity(places.len());
    for (index, place) in places.into_iter().enumerate() {
        // Its absence is a fault already.
        let Some(endpoint) = place.endpoint else { continue };
        let at = if listed { format!("instances.{index}.endpoint") } else { "endpoint".to_owned() };
        // The name is shown to everybody, so that a secret in the endpoint's query is not in it.
        let name = place.name.unwrap_or_else(|| redact_url(&endpoint));
        if let Some(problem) = looks_alike(&name).filter(|_| listed) {
            keys.fault(&format!("instances.{index}.name"), Code::InvalidName, format!("an instance's name {problem}"));
        }
        if let Some(first) = names.insert(name.clone(), index) {
            let problem = format!("the name {name:?} is that of `instances[{first}]` too; each needs one of its own");
            keys.fault(&format!("instances.{index}"), Code::DuplicateName, problem);
        }
        if let Some(transport) = connection(keys, plugin, &endpoint, &at, common) {
            let PlaceOf { weight, priority, enabled, zone, concurrency, .. } = place;
            instances.push(InstanceConfig { name, weight, priority, enabled, zone, concurrency, transport });
        }
    }
    instances
}

/// The settings of one instance; what is wrong with them is said where it was written.
fn connection(
    keys: &Keys<'_>,
    plugin: &PluginConfig,
    endpoint: &str,
    at: &str,
    common: &Common<'_>,
) -> Option<InstanceTransport> {
    if let Some(problem) = other_transport(common.transport, endpoint) {
        keys.fault(at, Code::InvalidEndpointUrl, problem);
        return None;
    }
    let endpoint = match common.transport.is_socket() || endpoint.trim().starts_with("unix:") {
        true => socket(keys, endpoint),
        false => endpoint.to_owned(),
    };
    let note = |error: &ConfigError| {
        let path = error.path();
        let key = match &*path {
            "endpoint" => at,
            "health_endpoint" | "health_service" => "health_check.endpoint",
            path => path,
        };
        keys.fault(key, error.code(), problem(error));
    };
    let transport = match common.transport {
        TransportKind::Grpc | TransportKind::GrpcTls | TransportKind::UnixGrpc => {
            grpc(plugin, endpoint, common).map(InstanceTransport::Grpc)
        }
        TransportKind::Unix => unix(plugin, endpoint, common).map(InstanceTransport::Unix),
        _ => http(plugin, endpoint, common).map(InstanceTransport::Http),
    };
    transport.inspect_err(note).ok()
}

fn http(plugin: &PluginConfig, endpoint: String, common: &Common<'_>) -> Result<HttpConfig, ConfigError> {
    let mut builder = HttpConfig::builder(&plugin.name, endpoint)
        .with_connection(common.connection.clone())
        // Its owner is the stack.
        .without_request_timeout();
    if common.transport == TransportKind::UnixH2 {
        builder = builder.with_version(HttpVersion::Http2);
    }
    if let Some(health) = common.health {
        builder = builder.with_health_endpoint(health);
    }
    if let Some(auth) = common.auth {
        builder = builder.with_auth(auth.clone());
    }
    builder = common.bounds.request.into_iter().fold(builder, HttpConfigBuilder::with_max_request);
    builder = common.bounds.response.into_iter().fold(builder, HttpConfigBuilder::with_max_response);
    let limit = plugin.health_check.map(|check| check.timeout());
    Ok(limit.into_iter().fold(builder.check()?, HttpConfig::with_check_limit))
}

fn grpc(plugin: &PluginConfig, endpoint: String, common: &Common<'_>) -> Result<GrpcConfig, ConfigError> {
    let mut builder = GrpcConfig::builder(&plugin.name, endpoint)
        .with_tls(common.transport == TransportKind::GrpcTls)
        .with_options(plugin.options.clone())
        .with_connection(common.connection.clone())
        .without_request_timeout();
    if let Some(service) = common.health {
        builder = builder.with_health_service(service);
    }
    if let Some(auth) = common.auth {
        builder = builder.with_auth(auth.clone());
    }
    builder = common.bounds.request.into_iter().fold(builder, GrpcConfigBuilder::with_max_request);
    builder = common.bounds.response.into_iter().fold(builder, GrpcConfigBuilder::with_max_response);
    let limit = plugin.health_check.map(|check| check.timeout());
    Ok(limit.into_iter().fold(builder.check()?, GrpcConfig::with_check_limit))
}

fn unix(plugin: &PluginConfig, endpoint: String, common: &Common<'_>) -> Result<UnixConfig, ConfigError> {
    let mut builder = UnixConfig::builder(&plugin.name, endpoint)
        .with_connection(common.connection.clone())
        .without_request_timeout();
    if let Some(auth) = common.auth {
        builder = builder.with_auth(auth.clone());
    }
    if let Some(bytes) = common.bounds.line {
        builder = builder.with_max_line(bytes);
    }
    let limit = plugin.health_check.map(|check| check.timeout());
    Ok(limit.into_iter().fold(builder.check()?, UnixConfig::with_check_limit))
}

/// What is wrong where an endpoint is that of another transport.
fn other_transport(transport: TransportKind, endpoint: &str) -> Option<String> {
    let endpoint = endpoint.trim().to_ascii_lowercase();
    let begins = |scheme: &str| endpoint.starts_with(scheme);
    let is_url = endpoint.contains("://") && !begins("unix:");
    let (wanted, other) = match transport {
        TransportKind::Http if begins("https://") => ("an endpoint that begins with http://", "https"),
        TransportKind::Https if begins("http://") => ("an endpoint that begins with https://", "http"),
        TransportKind::Https if begins("unix:") => ("an endpoint that begins with https://", "unix-h2"),
        TransportKind::Http | TransportKind::Https if begins("grpc://") || begins("grpcs://") => {
            ("an endpoint that begins with http:// or https://", "grpc")
        }
        TransportKind::Grpc if begins("https://") || begins("grpcs://") => ("an endpoint without TLS", "grpc-tls"),
        TransportKind::GrpcTls if begins("http://") || begins("grpc://") => ("an endpoint with TLS", "grpc"),
        TransportKind::GrpcTls if begins("unix:") => ("a host and a port", "unix-grpc"),
        TransportKind::Unix | TransportKind::UnixH2 | TransportKind::UnixGrpc if is_address(&endpoint) => {
            ("the path of a Unix socket", "grpc")
        }
        TransportKind::Unix | TransportKind::UnixH2 if is_url => ("the path of a Unix socket", "http"),
        TransportKind::UnixGrpc if is_url => ("the path of a Unix socket", "grpc"),
        _ => return None,
    };
    Some(format!("the transport {transport} needs {wanted}; is it `transport: {other}`?"))
}

/// Whether it is a host and a port, and no path.
fn is_address(endpoint: &str) -> bool {
    let port = endpoint.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// A path of a socket starts from the directory of the configuration; an abstract name is none.
fn socket(keys: &Keys<'_>, endpoint: &str) -> String {
    let text = endpoint.trim();
    let path = text.strip_prefix("unix:").unwrap_or(text);
    match path.starts_with(['/', '@']) || path.is_empty() {
        true => format!("unix:{path}"),
        false => format!("unix:{}", keys.context().path(path).display()),
    }
}

/// What is wrong, without the setting that only a program has.
fn problem(error: &ConfigError) -> &str {
    error.problem().split_once(", or allow it with").map_or(error.problem(), |(problem, _)| problem)
}
