//! `file:PATH` in the place of a secret.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use plugin_core::Code;

use super::fault::{Fault, Faults};
use super::keys::Context;
use super::node::{Node, Value};
use super::redact::is_secret_key;

/// No secret is longer than this.
const MAX: u64 = 64 * 1024;

/// Maps whose values are all secrets.
const SECRET_MAPS: [&str; 1] = ["headers"];

/// Reads each `file:PATH` under a key that names a secret, at whatever depth, and in `headers`.
///
/// Blanks and line breaks at either end are cut off: editors add them, and no header could carry them.
pub(super) fn resolve(tree: &mut Node, context: &Context<'_>) -> Faults {
    let mut faults = Faults::new();
    walk("", tree, false, context, &mut faults);
    faults
}

fn walk(at: &str, node: &mut Node, secret: bool, context: &Context<'_>, faults: &mut Faults) {
    match &mut node.value {
        Value::Map(entries) => {
            for entry in entries {
                let key = entry.key.as_str();
                let secret = secret || is_secret_key(key) || SECRET_MAPS.contains(&key);
                let at = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
                walk(&at, &mut entry.value, secret, context, faults);
            }
        }
        Value::List(items) => {
            let items = items.iter_mut().enumerate();
            items.for_each(|(index, item)| walk(&format!("{at}[{index}]"), item, secret, context, faults));
        }
        Value::Str(text) if secret => {
            let Some(path) = text.strip_prefix("file:") else { return };
            match read(&context.path(path)) {
                Ok(value) => {
                    *text = value;
                    node.tainted = true;
                }
                Err(problem) => {
                    faults.push(Fault::new(node.span.clone(), at, problem).with_code(Code::ConfigFile));
                }
            }
        }
        _ => {}
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
