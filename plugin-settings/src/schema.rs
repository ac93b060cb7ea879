//! The JSON Schema of the configuration, out of the tables.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value, json};

use plugin_core::settings::{self, Bounds, Key, Kind, Table};

/// The JSON Schema (draft 2020-12) of a document with the keys of `table`, for editors: every key that is accepted, with
/// what it means, its default and its bounds.
///
/// It knows a document as it is written: `${VAR}` may stand for a value of any type. What holds between keys, and what
/// only a look at files can tell, the reader checks.
#[must_use]
pub fn schema(title: &str, table: &'static Table) -> Value {
    let all = tables(table);
    let mut defs: Map<String, Value> = all.iter().map(|(name, table)| ((*name).to_owned(), object(table))).collect();
    let root = defs.remove(table.name()).unwrap_or_default();
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
    schema.insert("title".to_owned(), json!(title));
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(schema)
}

/// Every table that can be reached from `table`, itself included, by name.
#[must_use]
pub fn tables(table: &'static Table) -> BTreeMap<&'static str, &'static Table> {
    let mut found = BTreeMap::new();
    collect(table, &mut found);
    found
}

fn collect(table: &'static Table, found: &mut BTreeMap<&'static str, &'static Table>) {
    if found.insert(table.name(), table).is_none() {
        table.keys().filter_map(|key| key.kind().table()).for_each(|inner| collect(inner, found));
    }
}

fn object(table: &Table) -> Value {
    let properties: Map<String, Value> = table.keys().map(|key| (key.name().to_owned(), property(key))).collect();
    let mut object = json!({
        "description": table.about(),
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    });
    let required: Vec<_> = table.keys().filter(|key| key.is_required()).map(Key::name).collect();
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(key: &Key) -> Value {
    let mut property = kind(key.kind());
    let about = match key.modes() {
        [] => key.about().to_owned(),
        modes => format!("{} Only for: {}.", key.about(), modes.join(", ")),
    };
    property["description"] = json!(about);
    if let Some(default) = key.default_value() {
        property["default"] = plain(&default);
    }
    property
}

/// A scalar as JSON.
fn plain(value: &settings::Value) -> Value {
    use settings::Value as Plain;
    match value {
        Plain::Bool(value) => json!(value),
        Plain::Int(value) => json!(value),
        Plain::Float(value) => json!(value),
        Plain::Str(text) => json!(text),
        _ => Value::Null,
    }
}

fn kind(kind: &Kind) -> Value {
    let section = |table: &Table| json!({ "$ref": format!("#/$defs/{}", table.name()) });
    match kind {
        Kind::Bool => or_variable(json!({ "type": "boolean" })),
        Kind::Integer(bounds) => or_variable(number("integer", bounds)),
        Kind::Number(bounds) => or_variable(number("number", bounds)),
        Kind::Time(_) => json!({ "anyOf": [duration(), { "enum": [0] }, { "type": "integer", "minimum": 1_000_000 }] }),
        Kind::CountOrTime(bounds, _) => json!({ "anyOf": [number("integer", bounds), duration()] }),
        Kind::Size(bounds) => json!({ "anyOf": [
            { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|kB|B)$|\$\{" },
            number("integer", bounds)
        ] }),
        Kind::Secret => secret(),
        Kind::AnyCase(words) => any_case(words),
        Kind::Word(words) => {
            let numbers = words.iter().filter_map(|word| word.parse().ok()).map(Value::Number);
            let all: Vec<_> = words.iter().map(|word| json!(word)).chain(numbers).collect();
            or_variable(json!({ "enum": all }))
        }
        Kind::WordOrNumber(words) => {
            let last = words.len().saturating_sub(1);
            json!({ "anyOf": [{ "enum": words }, { "type": "integer", "minimum": 0, "maximum": last }, variable()] })
        }
        Kind::WordOrShare(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "number", "minimum": 0.0, "maximum": 1.0 }, variable()] })
        }
        Kind::Texts => json!({ "type": "array", "items": text() }),
        Kind::Names(_) => {
            json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "integer" }] } })
        }
        Kind::TextMap => json!({ "anyOf": [
            { "type": "object", "additionalProperties": text() },
            { "type": "array", "items": { "type": "string", "pattern": "^[^=]+=" } }
        ] }),
        Kind::SecretMap => json!({ "anyOf": [
            { "type": "object", "additionalProperties": secret() },
            { "type": "array", "items": { "type": "string", "pattern": "^[^=]+=", "writeOnly": true } }
        ] }),
        Kind::AnyCaseMap(words) => json!({ "type": "object", "additionalProperties": any_case(words) }),
        Kind::Object => json!({ "type": "object" }),
        Kind::Section(table) | Kind::Optional(table) => section(table),
        Kind::List(table) => json!({ "type": "array", "items": section(table) }),
        _ => text(),
    }
}

fn number<T: Into<Number> + Copy>(name: &str, bounds: &Bounds<T>) -> Value {
    let mut schema = json!({ "type": name });
    let mut set = |word: &str, value: T| schema[word] = value.into().0;
    match bounds.low {
        Bound::Included(low) => set("minimum", low),
        Bound::Excluded(low) => set("exclusiveMinimum", low),
        Bound::Unbounded => {}
    }
    match bounds.high {
        Bound::Included(high) => set("maximum", high),
        Bound::Excluded(high) => set("exclusiveMaximum", high),
        Bound::Unbounded => {}
    }
    schema
}

/// A bound as JSON; past 64 bits there is none.
struct Number(Value);

impl From<i128> for Number {
    fn from(value: i128) -> Self {
        Self(serde_json::Number::from_i128(value).map_or(Value::Null, Value::Number))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(json!(value))
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(json!(value))
    }
}

/// What is read as text.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn secret() -> Value {
    let mut schema = text();
    schema["writeOnly"] = json!(true);
    schema
}

/// One of the words, in whatever case.
fn any_case(words: &[&str]) -> Value {
    let letter = |c: char| format!("[{}{}]", c.to_ascii_uppercase(), c);
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    json!({ "type": "string", "pattern": format!(r"^({})$|\$\{{", words.join("|")) })
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
