//! The effective configuration, as people read it: defaults filled in, secrets left out.

use plugin_core::settings::{self, Checked, Kind, Table};

use super::node::{Node, Value};
use super::redact::redact;
use super::schema::tables;
use super::write::to_yaml_with_defaults;

/// The document as YAML, with the keys of `table` as people write them: `90s` and `90000000000` are `1m30s`, and `10485760`
/// bytes are `10MiB`. Secrets are `***`. What holds for a key that is not there and whose default is none that could be written
/// (it comes out of other keys, say) stands in a comment.
#[must_use]
pub fn shown(tree: &Node, table: &'static Table) -> String {
    let mut tree = tree.clone();
    normalise(&mut tree, table);
    let keys = tables(table).into_values().flat_map(Table::keys);
    let secret: Vec<_> = keys.filter(|key| key.kind().is_secret()).map(|key| key.name()).collect();
    to_yaml_with_defaults(&redact(&tree, &secret), table)
}

fn normalise(node: &mut Node, table: &'static Table) {
    for key in table.keys() {
        let Some(value) = node.get_mut(key.name()) else { continue };
        match key.kind() {
            Kind::Section(inner) | Kind::Optional(inner) => normalise(value, inner),
            Kind::List(inner) => {
                if let Value::List(items) = &mut value.value {
                    items.iter_mut().for_each(|item| normalise(item, inner));
                }
            }
            // A number there is text as it was written: `0042` is no 42.
            Kind::Texts | Kind::TextMap => texts(value),
            kind => {
                if let Some(new) = in_words(kind, value) {
                    *value = value.with_value(new);
                }
            }
        }
    }
}

fn texts(node: &mut Node) {
    let items: Vec<&mut Node> = match &mut node.value {
        Value::List(items) => items.iter_mut().collect(),
        Value::Map(entries) => entries.iter_mut().map(|entry| &mut entry.value).collect(),
        _ => Vec::new(),
    };
    for item in items {
        if let Some(text) = item.as_text().map(|text| Value::Str(text.into_owned())) {
            *item = item.with_value(text);
        }
    }
}

/// The value in the form that people write, where there is more than one.
fn in_words(kind: &Kind, value: &Node) -> Option<Value> {
    match kind.check(&value.to_value()).0? {
        Checked::Time(time) => Some(Value::Str(settings::time(&time))),
        Checked::Size(bytes) => match settings::bytes(bytes) {
            text if text.ends_with('B') => Some(Value::Str(text)),
            _ => Some(Value::Int(bytes.into())),
        },
        Checked::Text(text) => Some(Value::Str(text)),
        Checked::Word(word) => Some(Value::Str(word.to_owned())),
        _ => None,
    }
}
