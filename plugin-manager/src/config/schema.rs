//! The JSON Schema of the configuration, out of the tables.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::effective::default_value;
use super::keys::{Key, Kind, Table};
use super::settings;

/// The JSON Schema (draft 2020-12) of a configuration, for editors: every key that is accepted, with what it means, its
/// default and its bounds.
///
/// It knows a document as it is written: `${VAR}` may stand for a value of any type. What holds between keys, and what
/// only a look at files can tell, [`load`](super::load()) checks.
#[must_use]
pub fn schema() -> Value {
    let mut tables = BTreeMap::new();
    collect(&settings::TABLE, &mut tables);
    let mut defs: Map<String, Value> = tables.iter().map(|(name, table)| ((*name).to_owned(), object(table))).collect();
    let root = defs.remove(settings::TABLE.name).unwrap_or_default();
    defs.insert(
        "variable".to_owned(),
        json!({
            "description": "A value out of the environment.",
            "type": "string",
            "pattern": r"\$\{"
        }),
    );
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("plugin-manager"));
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(schema)
}

/// Every table that can be reached from `table`, by name.
pub(super) fn collect(table: &'static Table, tables: &mut BTreeMap<&'static str, &'static Table>) {
    if tables.insert(table.name, table).is_some() {
        return;
    }
    for key in table.keys {
        if let Kind::Section(inner) | Kind::Optional(inner) | Kind::List(inner) = key.kind {
            collect(inner, tables);
        }
    }
}

fn object(table: &Table) -> Value {
    let properties: Map<String, Value> = table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut object = json!({
        "description": table.about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    });
    let required: Vec<_> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(key: &Key) -> Value {
    let mut property = kind(&key.kind);
    let about = match key.only {
        [] => key.about.to_owned(),
        transports => format!("{} Only for: {}.", key.about, transports.join(", ")),
    };
    property["description"] = json!(about);
    if let Some(default) = default_value(key.default).filter(|_| !key.default.is_empty()) {
        property["default"] = default.to_json();
    }
    property
}

fn kind(kind: &Kind) -> Value {
    let section = |table: &Table| json!({ "$ref": format!("#/$defs/{}", table.name) });
    match kind {
        Kind::Bool => or_variable(json!({ "type": "boolean" })),
        Kind::Integer(low, high) => or_variable(json!({ "type": "integer", "minimum": low, "maximum": high })),
        Kind::Number(low, high) => or_variable(json!({ "type": "number", "minimum": low, "maximum": high })),
        Kind::Positive(high) => or_variable(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": high })),
        Kind::Time | Kind::TimeOrZero => json!({ "anyOf": [duration(), { "type": "integer", "minimum": 0 }] }),
        Kind::CountOrTime(high) => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": high }, duration()] })
        }
        Kind::Size => json!({ "anyOf": [
            { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|kB|B)$|\$\{" },
            { "type": "integer", "minimum": 1 }
        ] }),
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        Kind::Word(words) => or_variable(json!({ "enum": words })),
        Kind::WordOrNumber(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "integer", "minimum": 0, "maximum": words.len() - 1 }, variable()] })
        }
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::TextMap => json!({ "anyOf": [
            { "type": "object", "additionalProperties": { "type": "string" } },
            { "type": "array", "items": { "type": "string", "pattern": "^[^=]+=" } }
        ] }),
        Kind::SecretMap => json!({ "type": "object", "additionalProperties": { "type": "string", "writeOnly": true } }),
        Kind::WordMap(words) => json!({ "type": "object", "additionalProperties": { "enum": words } }),
        Kind::Object => json!({ "type": "object" }),
        Kind::Section(table) | Kind::Optional(table) => section(table),
        Kind::List(table) => json!({ "type": "array", "items": section(table) }),
    }
}

/// Go's text, with days before it.
fn duration() -> Value {
    json!({ "type": "string", "pattern": r"^\+?(0|([0-9]+d)?([0-9]*\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))*)$|\$\{" })
}

fn variable() -> Value {
    json!({ "$ref": "#/$defs/variable" })
}

fn or_variable(schema: Value) -> Value {
    json!({ "anyOf": [schema, variable()] })
}
