//! What a plugin says of itself and of its health, as JSON carries it.

use plugin_core::{HealthStatus, PluginInfo};
use serde_json::{Map, Value, json};

/// What a plugin says of itself.
pub(crate) fn info_object(info: &PluginInfo) -> Map<String, Value> {
    let members = [
        ("name", json!(info.name)),
        ("version", json!(info.version)),
        ("description", json!(info.description)),
        ("author", json!(info.author)),
        ("capabilities", json!(info.capabilities)),
        ("build_id", json!(info.build_id)),
        ("metadata", json!(info.metadata)),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// How a plugin is.
pub(crate) fn health_json(status: &HealthStatus) -> Vec<u8> {
    let json = json!({ "status": status.state.as_str(), "message": status.message, "metadata": status.metadata });
    json.to_string().into_bytes()
}

#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) use self::read::texts;
#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) use self::read::{health, info};

#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
mod read {
    use std::collections::BTreeMap;

    use plugin_core::{HealthState, HealthStatus, PluginInfo};
    use serde_json::{Map, Value};

    use super::super::bounded;

    /// Reads what a plugin says of itself; its name is `name` where it does not say it.
    pub(crate) fn info(object: &Map<String, Value>, name: &str, transport: &str) -> PluginInfo {
        let own = text(object, "name");
        let own = if own.is_empty() { name.to_owned() } else { own };
        let mut info = PluginInfo::new(own, text(object, "version")).with_transport(transport);
        info.description = text(object, "description");
        info.author = text(object, "author");
        info.build_id = text(object, "build_id");
        info.capabilities = texts(object, "capabilities");
        info.metadata = members(object, "metadata");
        info
    }

    /// Reads how a plugin is: the state by name or number, under `status` or `state`. Where the answer has no state, it is
    /// `otherwise`.
    pub(crate) fn health(json: &[u8], otherwise: HealthState) -> HealthStatus {
        let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
            return HealthStatus::new(otherwise, "");
        };
        let state = state(&object).unwrap_or(otherwise);
        // It is logged at each change, and shown by others.
        HealthStatus::new(state, bounded::text(text(&object, "message"))).with_metadata(members(&object, "metadata"))
    }

    fn state(object: &Map<String, Value>) -> Option<HealthState> {
        Some(match object.get("status").or_else(|| object.get("state")) {
            None | Some(Value::Null) => return None,
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
        })
    }

    fn text(object: &Map<String, Value>, key: &str) -> String {
        object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The texts in a list.
    pub(crate) fn texts(object: &Map<String, Value>, key: &str) -> Vec<String> {
        let list = object.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn members(object: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
        let members = object.get(key).and_then(Value::as_object).into_iter().flatten();
        members
            .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect()
    }
}

#[cfg(all(test, any(feature = "unix", all(feature = "process", target_os = "linux"))))]
mod tests {
    use plugin_core::HealthState;

    use super::*;

    #[test]
    fn a_health_message_is_bounded() {
        let said = format!("{{\"status\":\"degraded\",\"message\":\"{}\"}}", "x".repeat(3_000_000));
        assert_eq!(health(said.as_bytes(), HealthState::Healthy).message.len(), crate::wire::bounded::MAX_ERROR);
    }

    #[test]
    fn health_is_read_by_name_and_by_number() {
        let read = |text: &str| health(text.as_bytes(), HealthState::Healthy).state;
        assert_eq!(read(r#"{"status":"degraded"}"#), HealthState::Degraded);
        assert_eq!(read(r#"{"state":"Unhealthy"}"#), HealthState::Unhealthy);
        assert_eq!(read(r#"{"status":4}"#), HealthState::Offline);
        assert_eq!(read(r#"{"status":"purple"}"#), HealthState::Unknown);
        assert_eq!(read("true"), HealthState::Healthy);
        assert_eq!(health(br#"{"status":2,"message":"slow disk"}"#, HealthState::Healthy).message, "slow disk");
    }

    #[test]
    fn what_is_written_of_a_plugin_is_read_back() {
        let mut said = PluginInfo::new("echo", "1.2.0").with_transport("unix");
        said.capabilities = vec!["a".into()];
        said.metadata = [("k".to_owned(), "v".to_owned())].into();
        assert_eq!(info(&info_object(&said), "another", "unix"), said);
        assert_eq!(info(&Map::new(), "configured", "unix").name, "configured");
        let health_of = |status: &HealthStatus| health(&health_json(status), HealthState::Unknown);
        let status = HealthStatus::degraded("slow disk").with_metadata([("k".to_owned(), "v".to_owned())].into());
        assert_eq!(health_of(&status), status);
    }
}
