//! The keys of a plugin, and how they become its settings.

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Settings, Table};
use plugin_lb::BalanceConfig;
use plugin_settings::{Faults, Keys};
use plugin_transports::ConnectionConfig;
use plugin_transports::auth::AuthConfig;
use plugin_transports::names::{CONNECTED, EXEC, NETWORK, OVER_HTTP};
use plugin_transports::process::ProcessConfig;
use semver::Version;

use super::super::concerns::{self, CIRCUIT_BREAKER, HEALTH_CHECK, RETRY};
use super::super::limits::{self, ADAPTIVE_THROTTLE, CONCURRENCY, CONCURRENCY_PER_KEY, RATE_LIMIT};
use super::auth;
use super::bounds::{Bounds, MESSAGE};
use super::exec::Exec;
use super::instances::{self, Common, PlaceOf, URL};
use super::transport::{self, HAS_OPTIONS, SERVED};
use super::{PluginConfig, TransportConfig, TransportKind};
use crate::manager::check_name;

pub(in crate::config) static TABLE: Table = Table::new("plugin", "A plugin: how it is reached, and what stands before it.", &[
        Key::new(
            "name",
            Kind::Text,
            "The name by which it is called: 1 to 128 bytes, none of / \\ < > | & ; $ * ?, quotes, spaces, characters that do not show, \"..\".",
        )
        .required()
        .coded(Code::InvalidName),
        Key::new(
            "type",
            Kind::Text,
            "The registered factory that makes it, whatever `transport` says, which then needs nothing besides. The transport inproc needs one.",
        ),
        Key::new("transport", Kind::Word(SERVED), "How it is reached.")
            .required()
            .coded(Code::InvalidTransport)
            .later(transport::LATER, Code::UnsupportedTransport),
        Key::new("endpoint", Kind::Text, "Its URL, `host:port` for gRPC, or the path of its Unix socket, relative to the directory of this file; `unix:PATH:/path` for a path of HTTP on one. For exec, another name of `executable`.").only(CONNECTED).meant_by(URL),
        Key::new("instances", Kind::List(&instances::TABLE), "Several places instead of `endpoint`.").only(NETWORK),
        Key::new(
            "executable",
            Kind::Text,
            "The program: a path, relative to the directory of this file, or a bare name that is looked up in PATH.",
        )
        .meant_by(&["command", "cmd", "exec", "binary", "bin", "program", "path", "run"])
        .only(EXEC),
        Key::new("work_dir", Kind::Path, "The directory that it works in.")
            .meant_by(&["cwd", "dir", "directory", "workdir", "working_dir", "working_directory"])
            .derived_default("the directory of this file")
            .only(EXEC),
        Key::new("mode", Kind::Word(&["lines"]), "How it speaks: one JSON object per line.")
            .default("lines")
            .later(&["oneshot"], Code::ConfigSchema)
            .only(EXEC),
        Key::new(
            "max_request",
            MESSAGE,
            "The largest payload; of a larger one nothing is sent (`PLUGIN_1207`). What comes in has a bound of its own, `server.max_body`.",
        )
        .default("10MiB")
        .only(OVER_HTTP),
        Key::new("max_response", MESSAGE, "The largest answer, after decompression (`PLUGIN_1207`).")
            .default("10MiB")
            .only(OVER_HTTP),
        Key::new("version", Kind::Text, "Its version, after semver."),
        Key::new("labels", Kind::TextMap, "Labels, for whoever lists plugins."),
        Key::new("annotations", Kind::TextMap, "Annotations, for whoever looks at the plugin."),
        Key::new("options", Kind::Object, "What it is told before its first call; over gRPC on each new connection.").only(HAS_OPTIONS),
        Key::new(
            "priority",
            Kind::integer(i32::MIN as i128, i32::MAX as i128),
            "When it is started: those with a larger one first. Lists are in the order of the names.",
        )
        .default("0"),
        Key::new("enabled", Kind::Bool, "Whether it is started and takes calls.").default("true"),
        Key::new("required", Kind::Bool, "Whether the gateway does not start when it does not. One over a network has nothing to start, and may be away.").default("false"),
        Key::new("codec", Kind::Word(&["json"]), "How payloads are written.")
            .default("json")
            .later(&["msgpack", "protobuf", "raw"], Code::ConfigSchema),
        Key::new("timeout", Kind::time(), "For a whole call, all attempts together.").default("30s"),
        Key::new("auth", Kind::Section(AuthConfig::TABLE), "What the gateway shows to it.").only(NETWORK),
        Key::new("retry", Kind::Section(&RETRY), "When a call is tried again; `default_retry` holds otherwise."),
        Key::new("circuit_breaker", Kind::Section(&CIRCUIT_BREAKER), "When calls are no longer let through."),
        Key::new("health_check", Kind::Section(&HEALTH_CHECK), "How often it is asked how it is."),
        Key::new("connection", Kind::Section(ConnectionConfig::TABLE), "How the transport connects."),
        Key::new("rate_limit", Kind::Optional(&RATE_LIMIT), "How many calls it gets.").default("off"),
        Key::new("concurrency", Kind::Optional(&CONCURRENCY), "How many calls are in flight at once; at one instance, `instances[].concurrency`. Over HTTP/1.1 `connection.max_connections` bounds them too.").default("off"),
        Key::new("concurrency_per_key", Kind::Optional(&CONCURRENCY_PER_KEY), "How many calls of each client, address or header are in flight at once.").default("off"),
        Key::new("adaptive_throttle", Kind::Optional(&ADAPTIVE_THROTTLE), "What is refused while it turns many calls away.").default("off"),
        Key::new("load_balancer", Kind::Section(BalanceConfig::TABLE), "How one of several instances is picked.").only(NETWORK),
    ])
    .over(ProcessConfig::TABLE)
    .without(&["no_new_privs", "start_timeout", "request_timeout", "shutdown_grace", "max_in_flight", "max_queued_bytes"])
    .moded_by("transport");

pub(in crate::config) fn read(keys: &mut Keys<'_>) -> Option<PluginConfig> {
    let kind = keys.word("transport", TransportKind::of);
    let name = keys.text_with("name", Code::InvalidName, |name| {
        check_name(name).map(|()| name.to_owned()).map_err(|error| error.message().to_owned())
    });
    // One codec is served, so there is nothing to keep of it.
    let _ = keys.checked("codec");
    let health_check = concerns::health_check(keys, "health_check");
    let (health_check, health_endpoint) =
        health_check.map_or((None, None), |(config, endpoint)| (Some(config), endpoint));
    let connection: ConnectionConfig = keys.settings("connection").unwrap_or_default();
    let mut plugin = PluginConfig {
        name: name.unwrap_or_default(),
        kind: keys.text("type"),
        unregistered: Faults::new(),
        enabled: keys.bool("enabled").unwrap_or(true),
        required: keys.bool("required").unwrap_or_default(),
        priority: keys.integer("priority").unwrap_or_default(),
        version: version(keys),
        labels: keys.map("labels"),
        annotations: keys.map("annotations"),
        options: keys.object("options").unwrap_or_default(),
        timeout: keys.time("timeout").unwrap_or_default(),
        attempt_timeout: connection.request_timeout(),
        transport: TransportConfig::InProcess,
        retry: concerns::retry(keys, "retry").unwrap_or_default(),
        circuit_breaker: keys.settings("circuit_breaker").unwrap_or_default(),
        health_check,
        rate_limit: limits::rate_limit(keys, "rate_limit"),
        concurrency_per_key: limits::concurrency_per_key(keys, "concurrency_per_key"),
        concurrency: limits::concurrency(keys, "concurrency"),
        adaptive_throttle: limits::adaptive_throttle(keys, "adaptive_throttle"),
        load_balancer: keys.settings("load_balancer").unwrap_or_default(),
    };
    if plugin.adaptive_throttle.is_some() && plugin.concurrency.is_some_and(|limit| limit.adaptive().is_some()) {
        let problem = "stands beside `concurrency.adaptive`: both follow what the plugin turns away, and each would take the \
                       other's refusals for it; take one of them out";
        keys.fault("adaptive_throttle", Code::ConfigSchema, problem);
    }
    let places = keys.sections("instances", |keys, _| Some(PlaceOf::read(keys)));
    if places.iter().flatten().any(PlaceOf::has_limit) {
        let follows = plugin.concurrency.is_some_and(|limit| limit.adaptive().is_some());
        for (key, _) in [("adaptive_throttle", plugin.adaptive_throttle.is_some()), ("concurrency", follows)]
            .into_iter()
            .filter(|(_, follows)| *follows)
        {
            let problem = "stands beside `instances[].concurrency`: it follows what the plugin turns away, and would take for it what \
                           that limit refuses here; take one of them out";
            keys.fault(key, Code::ConfigSchema, problem);
        }
    }
    let parts = PluginParts {
        endpoint: keys.text("endpoint"),
        places,
        exec: Exec::read(keys),
        bounds: Bounds::read(keys),
        auth: keys.settings("auth"),
        connection,
        health_endpoint,
    };
    let kind = kind?;
    plugin.transport = if plugin.kind.is_none() {
        reach(keys, kind, &plugin, parts)?
    } else {
        // Whether a factory makes it, which needs none of that, is known to whoever starts it.
        let (transport, faults) = keys.apart(|keys| reach(keys, kind, &plugin, parts));
        match transport {
            // There is nothing that it could lack, but the factory.
            Some(TransportConfig::InProcess) => {
                plugin.unregistered = faults;
                TransportConfig::InProcess
            }
            Some(transport) if faults.is_empty() => transport,
            _ => TransportConfig::Unusable(kind, faults),
        }
    };
    Some(plugin)
}

/// What the transports take their settings from.
struct PluginParts {
    endpoint: Option<String>,
    places: Option<Vec<PlaceOf>>,
    exec: Exec,
    bounds: Bounds,
    auth: Option<AuthConfig>,
    connection: ConnectionConfig,
    health_endpoint: Option<String>,
}

fn reach(keys: &Keys<'_>, kind: TransportKind, plugin: &PluginConfig, parts: PluginParts) -> Option<TransportConfig> {
    // The builders want a name; when there is none, that is a fault already, and so may be what they would say.
    let named = PluginConfig { name: nonempty(&plugin.name), ..plugin.clone() };
    match kind {
        TransportKind::InProcess => {
            match &plugin.kind {
                None => {
                    let problem = "the transport inproc needs `type`, the name of a registered factory";
                    keys.fault("type", Code::ConfigSchema, problem);
                }
                // Nothing of it is made.
                Some(_) if !plugin.enabled => {}
                Some(kind) => keys.fault("type", Code::InvalidTransport, no_such_type(kind)),
            }
            Some(TransportConfig::InProcess)
        }
        TransportKind::Exec => {
            let process = parts.exec.process(keys, &named, parts.endpoint, &parts.connection, parts.bounds.line)?;
            Some(TransportConfig::Exec(Box::new(process)))
        }
        kind => {
            if let Some(auth) = parts.auth.as_ref().filter(|_| kind.is_tls() && plugin.enabled) {
                auth::check_files(auth, &plugin.name, keys);
            }
            let common = Common {
                transport: kind,
                connection: parts.connection,
                auth: parts.auth.as_ref(),
                health: parts.health_endpoint.as_deref(),
                bounds: parts.bounds,
            };
            let instances = instances::resolve(keys, &named, parts.endpoint, parts.places, &common);
            Some(TransportConfig::Network(kind, instances))
        }
    }
}

/// What is told of a `type` where no factory of that name is registered.
pub(crate) fn no_such_type(kind: &str) -> String {
    format!("this program has no plugin of type {kind:?}")
}

fn nonempty(name: &str) -> String {
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

fn version(keys: &mut Keys<'_>) -> Option<String> {
    let text = keys.text("version")?;
    match Version::parse(&text) {
        Ok(_) => Some(text),
        Err(error) => {
            let problem = format!("{text:?} is no version such as \"1.2.3\" (semver): {error}");
            keys.fault("version", Code::ConfigValue, problem);
            None
        }
    }
}
