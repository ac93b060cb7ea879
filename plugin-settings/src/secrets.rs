//! `file:PATH` in the place of a secret.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Table};

use super::fault::{Fault, Faults};
use super::keys::Context;
use super::node::{Node, Value};
use super::path;
use super::redact::is_secret_key;

/// No secret is longer than this.
const MAX: u64 = 64 * 1024;

/// Reads each `file:PATH` where `table` declares a secret, at whatever depth below it; and, in what no table declares, such
/// as a plugin's options, under a key that names one.
///
/// Blanks and line breaks at either end are cut off: editors add them, and no header could carry them.
pub(super) fn resolve(tree: &mut Node, table: &'static Table, context: &Context<'_>) -> Faults {
    let mut faults = Faults::new();
    SecretWalk { context, faults: &mut faults }.below("", tree, Some(table), false);
    faults
}

struct SecretWalk<'w> {
    context: &'w Context<'w>,
    faults: &'w mut Faults,
}

impl SecretWalk<'_> {
    fn below(&mut self, at: &str, node: &mut Node, table: Option<&'static Table>, secret: bool) {
        match &mut node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let kind = table.and_then(|table| table.key(&entry.key)).map(Key::kind);
                    let secret = secret || is_secret_key(&entry.key) || kind.is_some_and(Kind::is_secret);
                    let at = path::join(at, &entry.key);
                    self.below(&at, &mut entry.value, kind.and_then(inner), secret);
                }
            }
            Value::List(items) => {
                let items = items.iter_mut().enumerate();
                items.for_each(|(index, item)| self.below(&path::index(at, index), item, table, secret));
            }
            Value::Str(text) if secret => {
                let Some(path) = text.strip_prefix("file:") else { return };
                match read(&self.context.path(path)) {
                    Ok(value) => {
                        *text = value;
                        node.tainted = true;
                    }
                    Err(problem) => {
                        let fault = Fault::new(node.span.clone(), at, problem);
                        self.faults.push(fault.with_code(Code::ConfigFile));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The table of what is inside.
fn inner(kind: &'static Kind) -> Option<&'static Table> {
    match kind {
        Kind::Section(table) | Kind::Optional(table) | Kind::List(table) => Some(table),
        _ => None,
    }
}

fn read(path: &Path) -> Result<String, String> {
    let fault = |problem: &str| format!("the secret's file {path:?} {problem}");
    let file = File::open(path).map_err(|error| fault(&format!("cannot be opened: {error}")))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(fault("is a directory"));
    }
    let mut bytes = Vec::new();
    file.take(MAX + 1).read_to_end(&mut bytes).map_err(|error| fault(&format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX {
        return Err(fault("is larger than 64 KiB; a secret is a line of text"));
    }
    let text = String::from_utf8(bytes).map_err(|_| fault("is not UTF-8 text"))?;
    match text.trim() {
        "" => Err(fault("is empty")),
        text => Ok(text.to_owned()),
    }
}
