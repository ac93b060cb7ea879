//! From the document as it was written to the one that holds: shared defaults under each plugin, then those of the tables.

use std::path::Path;
use std::time::Duration;

use plugin_core::settings::{Key, Kind, Table};
use plugin_core::{Code, go_duration};
use plugin_settings::{Fault, Faults, Node, Source, Span, Value, merge};

use super::{logging, plugin, settings};

/// Keys at the top, and the key of each plugin that they are the defaults of.
const SHARED: [(&str, &str); 5] = [
    ("default_retry", "retry"),
    ("default_circuit_breaker", "circuit_breaker"),
    ("default_health_check", "health_check"),
    ("default_connection", "connection"),
    ("default_rate_limit", "rate_limit"),
];

/// Writes what is said at one place and holds at another where it holds.
///
/// - `default_retry` and its like go under each plugin, key by key; what the plugin says itself stays. A section that a
///   plugin writes is on unless it says `enabled: false`, also where the default is off.
/// - A section that Go never set says nothing, here as for the reader.
/// - `log_level` is `logging.level`, and `metrics_port` the port of `admin.listen`: they become those.
///
/// # Errors
///
/// When both of such a pair are there and cannot both hold.
pub(super) fn spread(root: &mut Node) -> Faults {
    let faults = level_and_port(root);
    let shared: Vec<(&str, Node)> = SHARED
        .iter()
        .filter_map(|(default, key)| Some((*key, said(root, default, &settings::TABLE)?.clone())))
        .filter(|(_, default)| matches!(default.value, Value::Map(_)))
        .collect();
    let Some(Value::List(plugins)) = root.get_mut("plugins").map(|plugins| &mut plugins.value) else {
        return faults;
    };
    for plugin in plugins.iter_mut().filter(|plugin| matches!(plugin.value, Value::Map(_))) {
        let transport = plugin::TABLE.mode_of(&plugin.to_value(), "");
        for (key, default) in &shared {
            if plugin::TABLE.key(key).is_some_and(|key| key.serves(&transport)) {
                inherit(plugin, key, only_for(&transport, key, default.clone()));
            }
        }
    }
    faults
}

/// The value of a key, unless that counts as absent.
fn said<'n>(node: &'n Node, name: &str, table: &Table) -> Option<&'n Node> {
    let key = table.key(name)?;
    node.get(name).filter(|value| !key.is_absent(&value.to_value()))
}

/// Lays what the plugin says of `key` over `default`.
fn inherit(plugin: &mut Node, key: &'static str, mut default: Node) {
    let table = plugin::TABLE.key(key).and_then(section);
    if said(plugin, key, &plugin::TABLE).is_none() {
        return plugin.set(key, default);
    }
    match plugin.get_mut(key) {
        // What is off is left as it is.
        Some(own) if table.is_some_and(|table| table.is_off(&own.to_value())) => {}
        Some(own) if matches!(own.value, Value::Map(_)) => {
            if table.is_some_and(Table::is_switched) {
                default.remove("enabled");
            }
            let mut merged = merge(default, own.clone(), &[]);
            merged.span = own.span.clone();
            *own = merged;
        }
        // The reader finds fault with it.
        _ => {}
    }
}

/// The shared default without the keys that have no effect with this transport.
fn only_for(transport: &str, key: &str, mut default: Node) -> Node {
    let table = plugin::TABLE.key(key).and_then(section);
    if let (Some(table), Value::Map(entries)) = (table, &mut default.value) {
        entries.retain(|entry| table.key(&entry.key).is_none_or(|key| key.serves(transport)));
    }
    default
}

fn level_and_port(root: &mut Node) -> Faults {
    let mut faults = Faults::new();
    if let Some(level) = present(root, "log_level").cloned() {
        match root.get("logging").and_then(|logging| present(logging, "level")) {
            Some(other) if !is_same_level(other, &level) => faults.push(beside(&level, "log_level", "logging.level")),
            // It is shown under one name.
            Some(_) => {
                root.remove("log_level");
            }
            None if level.as_str().is_some_and(|level| logging::level(level).is_some()) => {
                root.remove("log_level");
                insert_in(root, "logging", "level", level);
            }
            // One that is wrong is a fault at its own place alone.
            None => {}
        }
    }
    let port = present(root, "metrics_port").cloned();
    match (port, root.get("admin").and_then(|admin| present(admin, "listen"))) {
        (Some(port), Some(_)) => faults.push(beside(&port, "metrics_port", "admin.listen")),
        (Some(Node { value: Value::Int(port), span, .. }), None) if u16::try_from(port).is_ok_and(|port| port > 0) => {
            root.remove("metrics_port");
            insert_in(root, "admin", "listen", Node::new(Value::Str(format!("127.0.0.1:{port}")), span));
        }
        (None, None) => {
            let listen = Node::new(Value::Str("127.0.0.1:9090".to_owned()), root.span.clone());
            insert_in(root, "admin", "listen", listen);
        }
        // A port that came from the environment is text yet, and the reader makes it a number.
        _ => {}
    }
    faults
}

fn is_same_level(one: &Node, other: &Node) -> bool {
    let level = |node: &Node| node.as_str().and_then(logging::level);
    one == other || level(one).is_some_and(|found| level(other) == Some(found))
}

fn beside(node: &Node, key: &str, other: &str) -> Fault {
    Fault::new(node.span.clone(), key, format!("`{key}` has no effect beside `{other}`"))
        .with_remedy("take one of them out")
        .with_code(Code::ConfigSchema)
}

/// Gives a plugin that says no `timeout` this one.
pub(super) fn default_timeout(plugin: &mut Node, timeout: Option<Duration>) {
    if let Some(timeout) = timeout.filter(|_| present(plugin, "timeout").is_none()) {
        let value = Node::new(Value::Str(go_duration::format(timeout)), plugin.span.clone());
        plugin.set("timeout", value);
    }
}

/// What a document would say of an executable that is a plugin.
pub(super) fn executable(name: &str, executable: &str, path: &Path, timeout: Duration) -> Node {
    let span = Span::whole_file(&Source::new(path, ""));
    let node = |value| Node::new(value, span.clone());
    // None of this was written by somebody who meant a variable.
    let text = |text: &str| node(Value::Str(text.replace('$', "$$")));
    let mut plugin = node(Value::Map(Vec::new()));
    plugin.set("name", text(name));
    plugin.set("transport", text("exec"));
    plugin.set("executable", text(executable));
    plugin.set("env_allow", node(Value::List(vec![text("PATH")])));
    insert_in(&mut plugin, "connection", "request_timeout", text(&go_duration::format(timeout)));
    plugin
}

fn section(key: &'static Key) -> Option<&'static Table> {
    match key.kind() {
        Kind::Section(table) | Kind::Optional(table) => Some(table),
        _ => None,
    }
}

/// The value of `key`, unless it is null.
fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|value| !matches!(value.value, Value::Null))
}

/// Sets a key of the section `key` of a map; the section is made when it is absent.
fn insert_in(node: &mut Node, key: &str, inner: &str, value: Node) {
    if present(node, key).is_none() {
        node.set(key, Node::new(Value::Map(Vec::new()), node.span.clone()));
    }
    if let Some(section) = node.get_mut(key) {
        section.set(inner, value);
    }
}
