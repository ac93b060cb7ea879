//! A node as a value without places, as JSON, and back.

use plugin_core::settings;

use super::node::{Entry, Node, Value};
use super::scalar;
use super::source::Span;

impl Node {
    /// The same value without its place.
    #[must_use]
    pub fn to_value(&self) -> settings::Value {
        let value = self.plain();
        match &self.written {
            Some(written) => settings::Value::Untyped { text: written.to_string(), value: Box::new(value) },
            None => value,
        }
    }

    fn plain(&self) -> settings::Value {
        use settings::Value as Plain;
        match &self.value {
            Value::Null => Plain::Null,
            Value::Bool(value) => Plain::Bool(*value),
            Value::Int(value) => Plain::Int(*value),
            Value::Float(value) => Plain::Float(*value),
            Value::Str(text) => match scalar::resolve(text).ok().filter(|_| self.untyped) {
                Some(typed) => {
                    let value = Box::new(Self::new(typed, self.span.clone()).to_value());
                    Plain::Untyped { text: text.clone(), value }
                }
                None => Plain::Str(text.clone()),
            },
            Value::List(items) => Plain::List(items.iter().map(Self::to_value).collect()),
            Value::Map(entries) => {
                Plain::Map(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect())
            }
        }
    }

    /// A value that is said to be at `span`, and all in it.
    #[must_use]
    pub fn at(value: &settings::Value, span: &Span) -> Self {
        use settings::Value as Plain;
        let value = match value {
            Plain::Bool(value) => Value::Bool(*value),
            Plain::Int(value) => Value::Int(*value),
            Plain::Float(value) => Value::Float(*value),
            Plain::Str(text) | Plain::Untyped { text, .. } => Value::Str(text.clone()),
            Plain::List(items) => Value::List(items.iter().map(|item| Self::at(item, span)).collect()),
            Plain::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: span.clone(),
                        value: Self::at(value, span),
                    })
                    .collect(),
            ),
            _ => Value::Null,
        };
        Self::new(value, span.clone())
    }

    /// The same value as JSON, for a plugin's `options`, say. Secrets are in it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Number, Value as Json};
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Number::from_i128(*value).map_or(Json::Null, Json::Number),
            Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Str(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}
