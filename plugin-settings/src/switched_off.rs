//! A section with `enabled: false` is not validated further.

use plugin_core::settings::{Kind, Table};

use super::declared::Unavailable;
use super::node::{Node, Value};
use super::source::Span;

/// Where the values are that are in a section which is switched off, and in one that a later version will have.
pub(super) fn spans(tree: &Node, table: &'static Table, unavailable: Unavailable) -> Vec<Span> {
    let mut found = Vec::new();
    walk(tree, table, unavailable, &mut found);
    found
}

fn walk(node: &Node, table: &'static Table, unavailable: Unavailable, found: &mut Vec<Span>) {
    if table.is_off(&node.to_value()) {
        return all(node, found);
    }
    let later = unavailable.iter().filter(|(name, _)| *name == table.name()).flat_map(|(_, keys)| *keys);
    for value in later.filter_map(|key| node.get(key)).filter(|value| value.to_value().is_off()) {
        all(value, found);
    }
    for key in table.keys() {
        match (key.kind(), node.get(key.name())) {
            (Kind::Section(inner) | Kind::Optional(inner), Some(value)) => walk(value, inner, unavailable, found),
            (Kind::List(inner), Some(Node { value: Value::List(items), .. })) => {
                items.iter().for_each(|item| walk(item, inner, unavailable, found));
            }
            _ => {}
        }
    }
}

/// Every place in a value.
fn all(node: &Node, found: &mut Vec<Span>) {
    found.push(node.span.clone());
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| all(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| all(&entry.value, found)),
        _ => {}
    }
}
