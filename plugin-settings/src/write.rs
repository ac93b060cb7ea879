//! A tree back as YAML.

use std::fmt::Write;

use super::node::{Node, Value};
use super::scalar;

/// Words that some readers of YAML take for a boolean.
const BOOLEAN_IN_YAML_1_1: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

/// The tree as YAML, secrets included: [`redact`](super::redact()) first what is to be shown.
///
/// What is printed parses to an equal tree. For JSON there is [`Node::to_json`].
#[must_use]
pub fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a value whose first line has begun, with `indent` levels before the next.
fn block(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                start_line(out, index, indent);
                out.push('-');
                nested(out, item, indent, true);
            }
        }
        Value::Map(entries) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                start_line(out, index, indent);
                out.push_str(&string(&entry.key));
                out.push(':');
                nested(out, &entry.value, indent, false);
            }
        }
        _ => out.push_str(&inline(&node.value)),
    }
}

/// Writes what follows `-` or `key:`.
fn nested(out: &mut String, node: &Node, indent: usize, in_list: bool) {
    match &node.value {
        // Inside a list the first line of a map or list stands behind the dash.
        Value::List(items) if !items.is_empty() && !in_list => {
            out.push('\n');
            block(out, node, indent + 1);
        }
        Value::Map(entries) if !entries.is_empty() && !in_list => {
            out.push('\n');
            block(out, node, indent + 1);
        }
        _ => {
            out.push(' ');
            block(out, node, indent + 1);
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
