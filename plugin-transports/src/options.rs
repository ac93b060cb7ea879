//! The options of a plugin's configuration, as the plugin is told them.

use plugin_core::settings::Value;
use serde_json::{Map, Number, Value as Json};

/// A value of a configuration as JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value.typed() {
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Number::from_i128(*value).map_or(Json::Null, Json::Number),
        Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), json(value))).collect::<Map<_, _>>())
        }
        _ => Json::Null,
    }
}
