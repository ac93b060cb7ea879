//! A tree back as YAML.

use std::fmt::Write;

use plugin_core::settings::{Kind, Table};

use super::node::{Node, Value};
use super::scalar;

/// Words that some readers of YAML take for a boolean.
const BOOLEAN_IN_YAML_1_1: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

/// The longest key that stands before its colon on one line, in characters (YAML 1.2, 7.4.2). A longer one is announced.
const SIMPLE_KEY: usize = 1024;

/// The tree as YAML, secrets included: [`redact`](super::redact()) first what is to be shown.
///
/// What is printed parses to an equal tree. For JSON there is [`Node::to_json`].
#[must_use]
pub fn to_yaml(node: &Node) -> String {
    document(node, None)
}

/// The same, and for each key of `table` that is not there, and whose default is no value that could stand there, a comment
/// that says what holds.
pub(super) fn to_yaml_with_defaults(node: &Node, table: &'static Table) -> String {
    document(node, Some(&Known { table, mode: String::new() }))
}

fn document(node: &Node, known: Option<&Known>) -> String {
    let mut out = String::new();
    block(&mut out, node, known, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// What is known of the keys of a map: their table, and the mode that holds around it.
struct Known {
    table: &'static Table,
    mode: String,
}

impl Known {
    /// What is known of the value of this key in this map.
    fn under(&self, map: &Node, key: &str) -> Option<Self> {
        match self.table.key(key)?.kind() {
            Kind::Section(table) | Kind::Optional(table) | Kind::List(table) => {
                Some(Self { table, mode: self.table.mode_of(&map.to_value(), &self.mode) })
            }
            _ => None,
        }
    }

    /// A line for each key that this map does not have and that has a default in words.
    fn notes(&self, map: &Node) -> Vec<String> {
        let value = map.to_value();
        if self.table.is_off(&value) {
            return Vec::new();
        }
        let mode = self.table.mode_of(&value, &self.mode);
        let absent = self.table.keys().filter(|key| map.get(key.name()).is_none() && key.serves(&mode));
        let told = absent.filter_map(|key| Some((key.name(), key.unfilled_default()?)));
        told.map(|(name, default)| format!("# {name}, unless it is set: {default}")).collect()
    }
}

/// Writes a value whose first line has begun, with `indent` levels before the next.
fn block(out: &mut String, node: &Node, known: Option<&Known>, indent: usize) {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                start_line(out, index, indent);
                out.push('-');
                nested(out, item, known, indent, true);
            }
        }
        Value::Map(entries) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                start_line(out, index, indent);
                let key = string(&entry.key);
                if key.chars().count() > SIMPLE_KEY {
                    out.push_str("? ");
                    out.push_str(&key);
                    out.push('\n');
                    start_line(out, index, indent);
                } else {
                    out.push_str(&key);
                }
                out.push(':');
                let inner = known.and_then(|known| known.under(node, &entry.key));
                nested(out, &entry.value, inner.as_ref(), indent, false);
            }
            for note in known.map(|known| known.notes(node)).unwrap_or_default() {
                start_line(out, entries.len(), indent);
                out.push_str(&note);
                out.push('\n');
            }
        }
        _ => out.push_str(&inline(&node.value)),
    }
}

/// Writes what follows `-` or `key:`.
fn nested(out: &mut String, node: &Node, known: Option<&Known>, indent: usize, in_list: bool) {
    match &node.value {
        // Inside a list the first line of a map or list stands behind the dash.
        Value::List(items) if !items.is_empty() && !in_list => {
            out.push('\n');
            block(out, node, known, indent + 1);
        }
        Value::Map(entries) if !entries.is_empty() && !in_list => {
            out.push('\n');
            block(out, node, known, indent + 1);
        }
        _ => {
            out.push(' ');
            block(out, node, known, indent + 1);
        }
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Indents, unless the line has begun already.
fn start_line(out: &mut String, index: usize, indent: usize) {
    if index > 0 || out.is_empty() || out.ends_with('\n') {
        out.extend(std::iter::repeat_n("  ", indent));
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Str(text) => string(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

/// The text as it is when every reader takes it for a string, else in quotes.
fn string(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        && text.chars().all(plain)
        && matches!(scalar::resolve(text), Ok(Value::Str(_)))
        && !BOOLEAN_IN_YAML_1_1.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { in_quotes(text) }
}

fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ if c.is_alphanumeric() => out.push(c),
            // Whatever may not be printable: the escape works for every character.
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}
