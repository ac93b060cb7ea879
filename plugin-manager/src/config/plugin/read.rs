//! The keys of a plugin, and how they become its settings.

use plugin_core::Code;
use plugin_transports::ConnectionConfig;
use semver::Version;

use super::super::concerns::{balance, breaker, health, rate_limit, retry};
use super::super::keys::{Key, Keys, Kind, Table};
use super::auth::{self, Auth};
use super::exec::{self, Exec};
use super::instances::{self, Common, Place};
use super::transport::{self, CONNECTED, EXEC, HAS_OPTIONS, HTTP, SERVED};
use super::{PluginConfig, TransportConfig, TransportKind, connection};
use crate::manager::check_name;

pub(in crate::config) static TABLE: Table = Table {
    name: "plugin",
    about: "A plugin: how it is reached, and what stands before it.",
    keys: &[
        Key::new(
            "name",
            Kind::Text,
            "The name by which it is called: 1 to 128 bytes, none of / \\ < > | & ; $ * ?, quotes, control characters, \"..\".",
        )
        .required(),
        Key::new("type", Kind::Text, "The registered factory that makes it. The transport inproc needs one."),
        Key::new("transport", Kind::Word(SERVED), "How it is reached.").required(),
        Key::new("endpoint", Kind::Text, "Its URL. For exec, another name of `executable`.").only(CONNECTED),
        Key::new("instances", Kind::List(&instances::TABLE), "Several URLs instead of `endpoint`.").only(HTTP),
        Key::new(
            "executable",
            Kind::Text,
            "The program: a path, relative to the directory of this file, or a bare name that is looked up in PATH.",
        )
        .only(EXEC),
        Key::new("args", Kind::Texts, "Its arguments.").only(EXEC),
        Key::new("env", Kind::TextMap, "Its environment; nothing of the host's is in it but what `env_allow` names.")
            .only(EXEC),
        Key::new("env_allow", Kind::Texts, "Variables that it gets from the host's environment.").only(EXEC),
        Key::new("work_dir", Kind::Path, "The directory that it works in; the host's by default.").only(EXEC),
        Key::new("mode", Kind::Word(&["lines"]), "How it speaks: one JSON object per line.").default("lines").only(EXEC),
        Key::new("resources", Kind::Section(&exec::RESOURCES), "What it may use.").only(EXEC),
        Key::new("restart", Kind::Section(&exec::RESTART), "When it is started again after it died.").only(EXEC),
        Key::new("version", Kind::Text, "Its version, after semver."),
        Key::new("labels", Kind::TextMap, "Labels, for whoever lists plugins."),
        Key::new("annotations", Kind::TextMap, "Annotations, for whoever looks at the plugin."),
        Key::new("options", Kind::Object, "What it is told once, before its first call.").only(HAS_OPTIONS),
        Key::new(
            "priority",
            Kind::Integer(i32::MIN as i64, i32::MAX as i64),
            "Its place among the plugins, where they are started and listed: larger is first.",
        )
        .default("0"),
        Key::new("enabled", Kind::Bool, "Whether it is started and takes calls.").default("true"),
        Key::new("codec", Kind::Word(&["json"]), "How payloads are written.").default("json"),
        Key::new("timeout", Kind::Time, "For a whole call, all attempts together.").default("30s"),
        Key::new("auth", Kind::Section(&auth::TABLE), "What the gateway shows to it.").only(HTTP),
        Key::new("retry", Kind::Section(&retry::TABLE), "When a call is tried again; `default_retry` holds otherwise."),
        Key::new("circuit_breaker", Kind::Section(&breaker::TABLE), "When calls are no longer let through."),
        Key::new("health_check", Kind::Section(&health::TABLE), "How often it is asked how it is."),
        Key::new("connection", Kind::Section(&connection::TABLE), "How the transport connects."),
        Key::new("rate_limit", Kind::Section(&rate_limit::TABLE), "How many calls it gets."),
        Key::new("load_balancer", Kind::Section(&balance::TABLE), "How one of several instances is picked.").only(HTTP),
    ],
};

/// The codecs and modes that a later version will have.
const LATER_CODECS: &[&str] = &["msgpack", "protobuf", "raw"];

pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<PluginConfig> {
    let kind = transport::read(keys);
    let name = keys.field("name").and_then(|field| {
        field
            .coded(Code::InvalidName)
            .string_with(|name| check_name(name).map(|()| name.to_owned()).map_err(|error| error.message().to_owned()))
    });
    // One codec is served, so there is nothing to keep of it.
    let _: Option<()> = keys.word_or_later("codec", LATER_CODECS, Code::ConfigSchema, Code::ConfigSchema, |word| {
        (word == "json").then_some(())
    });
    let (health_check, health_endpoint) = keys.section("health_check", health::read).unwrap_or_default();
    let connection = keys.section("connection", connection::read).flatten().unwrap_or_default();
    let mut plugin = PluginConfig {
        name: name.unwrap_or_default(),
        kind: keys.text("type"),
        enabled: keys.bool("enabled").unwrap_or(true),
        priority: keys.integer("priority").unwrap_or_default(),
        version: version(keys),
        labels: keys.field("labels").and_then(|field| field.string_map()).unwrap_or_default(),
        annotations: keys.field("annotations").and_then(|field| field.string_map()).unwrap_or_default(),
        options: keys.object("options").unwrap_or_default(),
        timeout: keys.time("timeout").unwrap_or_default(),
        attempt_timeout: connection.request_timeout(),
        transport: TransportConfig::InProcess,
        retry: keys.section("retry", retry::read).flatten().unwrap_or_default(),
        circuit_breaker: keys.section("circuit_breaker", breaker::read).flatten().unwrap_or_default(),
        health_check,
        rate_limit: keys.section("rate_limit", rate_limit::read).flatten(),
        load_balancer: keys.section("load_balancer", balance::read).flatten().unwrap_or_default(),
    };
    let parts = Parts {
        endpoint: keys.text("endpoint"),
        places: keys.sections("instances", |keys, _| Some(Place::read(keys))),
        exec: Exec::read(keys),
        auth: keys.section("auth", auth::read).flatten(),
        connection,
        health_endpoint,
    };
    plugin.transport = reach(keys, kind?, &plugin, parts)?;
    Some(plugin)
}

/// What the transports take their settings from.
struct Parts {
    endpoint: Option<String>,
    places: Option<Vec<Place>>,
    exec: Exec,
    auth: Option<Auth>,
    connection: ConnectionConfig,
    health_endpoint: Option<String>,
}

fn reach(keys: &Keys<'_, '_>, kind: TransportKind, plugin: &PluginConfig, parts: Parts) -> Option<TransportConfig> {
    // The builders want a name; when there is none, that is a fault already, and so may be what they would say.
    let named = PluginConfig { name: nonempty(&plugin.name), ..plugin.clone() };
    match kind {
        TransportKind::InProcess => {
            if plugin.kind.is_none() {
                let problem = "the transport inproc needs `type`, the name of a registered factory";
                keys.fault("type", Code::ConfigSchema, problem);
            }
            Some(TransportConfig::InProcess)
        }
        TransportKind::Exec => {
            let process = parts.exec.process(keys, &named, parts.endpoint, &parts.connection)?;
            Some(TransportConfig::Exec(Box::new(process)))
        }
        TransportKind::Http | TransportKind::Https => {
            let tls = kind == TransportKind::Https;
            if let Some(auth) = parts.auth.as_ref().filter(|_| tls && plugin.enabled) {
                auth.check_files(keys);
            }
            let common = Common {
                transport: kind,
                connection: parts.connection,
                auth: parts.auth.as_ref(),
                health: parts.health_endpoint.as_deref(),
            };
            let instances = instances::resolve(keys, &named, parts.endpoint, parts.places, &common);
            Some(if tls { TransportConfig::Https(instances) } else { TransportConfig::Http(instances) })
        }
    }
}

fn nonempty(name: &str) -> String {
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

fn version(keys: &mut Keys<'_, '_>) -> Option<String> {
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
