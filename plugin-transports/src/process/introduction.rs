//! Reads a plugin's answers to `info` and `health`.

use std::collections::BTreeMap;

use plugin_core::{HealthState, HealthStatus, PluginInfo};
use serde_json::{Map, Value};

/// The methods that the host calls only when the plugin says that it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods {
    pub(super) health: bool,
    pub(super) init: bool,
    pub(super) shutdown: bool,
}

/// Reads the answer to `info`. A plugin that answers with something else, or with an error, is one that knows only
/// `execute`.
pub(super) fn info(json: &[u8], name: &str) -> (PluginInfo, Methods) {
    let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
        return (PluginInfo::new(name, "").with_transport(TRANSPORT), Methods::default());
    };
    let own = text(&object, "name");
    let mut info = PluginInfo::new(if own.is_empty() { name.to_owned() } else { own }, text(&object, "version"))
        .with_transport(TRANSPORT);
    info.description = text(&object, "description");
    info.author = text(&object, "author");
    info.build_id = text(&object, "build_id");
    info.capabilities = texts(&object, "capabilities");
    info.metadata = members(&object, "metadata");
    let listed = if object.contains_key("methods") { texts(&object, "methods") } else { info.capabilities.clone() };
    let has = |method: &str| listed.iter().any(|listed| listed == method);
    let methods = Methods { health: has("health"), init: has("init"), shutdown: has("shutdown") };
    (info, methods)
}

pub(super) const TRANSPORT: &str = "exec";

/// Reads the answer to `health`: the state by name or number, under `status` or `state`. An answer without a state
/// is a plugin that answered, and so a healthy one.
pub(super) fn health(json: &[u8]) -> HealthStatus {
    let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
        return HealthStatus::healthy();
    };
    let state = match object.get("status").or_else(|| object.get("state")) {
        None | Some(Value::Null) => HealthState::Healthy,
        Some(Value::String(name)) => match name.to_ascii_lowercase().as_str() {
            "healthy" | "ok" => HealthState::Healthy,
            "degraded" => HealthState::Degraded,
            "unhealthy" => HealthState::Unhealthy,
            "offline" => HealthState::Offline,
            _ => HealthState::Unknown,
        },
        Some(number) => match number.as_u64() {
            Some(1) => HealthState::Healthy,
            Some(2) => HealthState::Degraded,
            Some(3) => HealthState::Unhealthy,
            Some(4) => HealthState::Offline,
            _ => HealthState::Unknown,
        },
    };
    HealthStatus::new(state, text(&object, "message")).with_metadata(members(&object, "metadata"))
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = object.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn members(object: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
    let members = object.get(key).and_then(Value::as_object).into_iter().flatten();
    members.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_that_the_plugin_lists() {
        let read = |text: &str| info(text.as_bytes(), "configured");
        let (known, methods) =
            read(r#"{"name":"echo","version":"1.2.0","methods":["execute","health"],"metadata":{"n":1}}"#);
        assert_eq!((known.name.as_str(), known.version.as_str()), ("echo", "1.2.0"));
        assert_eq!(known.metadata["n"], "1");
        assert_eq!(methods, Methods { health: true, ..Methods::default() });
        assert!(read(r#"{"capabilities":["shutdown"]}"#).1.shutdown);
        for silent in ["null", "7", "[]", "{}", r#"{"name":null,"methods":"all"}"#, "not json"] {
            let (info, methods) = read(silent);
            assert_eq!((info.name.as_str(), methods), ("configured", Methods::default()), "{silent}");
        }
    }

    #[test]
    fn health_is_read_by_name_and_by_number() {
        let read = |text: &str| health(text.as_bytes()).state;
        assert_eq!(read(r#"{"status":"degraded"}"#), HealthState::Degraded);
        assert_eq!(read(r#"{"state":"Unhealthy"}"#), HealthState::Unhealthy);
        assert_eq!(read(r#"{"status":4}"#), HealthState::Offline);
        assert_eq!(read(r#"{"status":"purple"}"#), HealthState::Unknown);
        assert_eq!(read("true"), HealthState::Healthy);
        assert_eq!(health(br#"{"status":2,"message":"slow disk"}"#).message, "slow disk");
    }
}
