//! A section that is begun and has nothing in it.

use plugin_core::settings::{Kind, Table};

use super::fault::{Fault, Faults};
use super::node::{Node, Value};
use super::path;

/// Notes every section with nothing behind its key (`rate_limit:` in YAML) that is not the same absent and empty. Whoever
/// wrote it may mean either; `null`, which programs write for what is absent, says that it is absent.
pub(super) fn faults(tree: &Node, table: &'static Table) -> Faults {
    let mut found = Faults::new();
    walk(tree, table, "", &mut found);
    found
}

fn walk(node: &Node, table: &'static Table, at: &str, found: &mut Faults) {
    let Value::Map(entries) = &node.value else { return };
    for entry in entries {
        let Some(key) = table.key(&entry.key) else { continue };
        let path = path::join(at, &entry.key);
        match (key.kind(), &entry.value.value) {
            (Kind::Optional(_), Value::Null) if entry.value.is_bare() => {
                let name = &entry.key;
                let remedy = format!("write `{name}: {{}}` for one with its defaults, or take it out");
                let fault = Fault::new(entry.key_span.clone(), path, "the section has nothing in it");
                found.push(fault.with_remedy(remedy));
            }
            (Kind::Section(inner) | Kind::Optional(inner), _) => walk(&entry.value, inner, &path, found),
            (Kind::List(inner), Value::List(items)) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, inner, &path::index(&path, index), found));
            }
            _ => {}
        }
    }
}
