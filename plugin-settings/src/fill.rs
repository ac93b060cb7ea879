//! The defaults of a table, written into a document: what `config show` prints.

use plugin_core::settings::{Key, Kind, Table};

use super::node::{Entry, Node, Value};
use super::source::Span;

/// The default of a section that may be absent, and is then shown as `{enabled: false}`.
const OFF: &str = "off";

/// Gives every key of `table` that is absent its default, in the sections inside too.
///
/// A section that is switched off stays as it is. One that may be absent and whose default is `off` is written as
/// `{enabled: false}`.
pub fn fill(node: &mut Node, table: &'static Table) {
    if matches!(node.value, Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    fill_in("", node, table);
}

fn fill_in(outer: &str, node: &mut Node, table: &'static Table) {
    let plain = node.to_value();
    if !matches!(node.value, Value::Map(_)) || table.is_off(&plain) {
        return;
    }
    let mode = table.mode_of(&plain, outer);
    for key in table.keys().filter(|key| key.serves(&mode)) {
        if node.get(key.name()).is_none_or(|value| key.is_absent(&value.to_value())) {
            match default_of(key, &node.span) {
                Some(value) => node.set(key.name(), value),
                // A section that Go never set, and that has no defaults of its own, is not there.
                None if matches!(node.get(key.name()), Some(Node { value: Value::Map(_), .. })) => {
                    node.remove(key.name())
                }
                None => {}
            }
        }
        match (key.kind(), node.get_mut(key.name())) {
            (Kind::Section(table) | Kind::Optional(table), Some(value)) => fill_in(&mode, value, table),
            (Kind::List(table), Some(Node { value: Value::List(items), .. })) => {
                items.iter_mut().for_each(|item| fill_in(&mode, item, table));
            }
            _ => {}
        }
    }
}

/// What stands for an absent key.
fn default_of(key: &Key, span: &Span) -> Option<Node> {
    match key.kind() {
        Kind::Section(_) => Some(Node::new(Value::Map(Vec::new()), span.clone())),
        Kind::Optional(_) if key.default_text() == OFF => {
            let mut off = Node::new(Value::Map(Vec::new()), span.clone());
            off.set("enabled", Node::new(Value::Bool(false), span.clone()));
            Some(off)
        }
        _ => key.default_value().map(|value| Node::at(&value, span)),
    }
}

impl Node {
    /// The value of `key`, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// Sets a key of a map; of anything else, nothing.
    pub fn set(&mut self, key: &str, value: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
            return;
        }
        if let Value::Map(entries) = &mut self.value {
            entries.push(Entry { key: key.to_owned(), key_span: value.span.clone(), value });
        }
    }

    /// Takes a key out of a map.
    pub fn remove(&mut self, key: &str) {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|entry| entry.key != key);
        }
    }
}
