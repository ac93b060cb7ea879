//! Paths start from the directory of the file, whatever directory the process works in.

use std::path::Path;

use plugin_core::Code;
use plugin_core::settings::{Kind, Table};

use super::fault::{Fault, Faults};
use super::node::{Node, Value};
use super::path;

/// Makes every path of the keys of `table` absolute.
pub(super) fn resolve(tree: &mut Node, table: &'static Table, dir: &Path) -> Faults {
    let mut faults = Faults::new();
    walk("", tree, table, dir, &mut faults);
    faults
}

fn walk(at: &str, node: &mut Node, table: &'static Table, dir: &Path, faults: &mut Faults) {
    for key in table.keys() {
        let Some(value) = node.get_mut(key.name()) else { continue };
        let at = path::join(at, key.name());
        match (key.kind(), &mut value.value) {
            (Kind::Section(inner) | Kind::Optional(inner), _) => walk(&at, value, inner, dir, faults),
            (Kind::List(inner), Value::List(items)) => {
                let items = items.iter_mut().enumerate();
                items.for_each(|(index, item)| walk(&path::index(&at, index), item, inner, dir, faults));
            }
            (Kind::Path, Value::Str(text)) if !text.is_empty() => match dir.join(&*text).into_os_string().into_string()
            {
                Ok(absolute) => *text = absolute,
                Err(_) => {
                    let problem = format!("starts from the directory {dir:?}, whose name is not UTF-8");
                    faults.push(Fault::new(value.span.clone(), at, problem).with_code(Code::ConfigFile));
                }
            },
            _ => {}
        }
    }
}
