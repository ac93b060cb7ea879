//! Values of a gateway's answers as text.

use plugin_core::{go_duration, rounded};
use serde_json::Value;

/// A time as a cell, in three digits: nobody reads the nanoseconds of a percentile.
pub(super) fn brief(value: &Value) -> String {
    value
        .as_str()
        .and_then(|time| go_duration::parse(time).ok())
        .map_or_else(|| text(value), |time| rounded(time).to_string())
}

/// A value as a cell: text without quotes, `-` for what is not there.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
