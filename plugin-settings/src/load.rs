//! From a file, or from bytes, to the tree that it holds.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::limits::MAX_BYTES;
use super::node::Node;
#[cfg(doc)]
use super::node::Value;
use super::source::{Locator, Source, Span};
use super::syntax::Syntax;
use super::{json, toml, yaml};

/// Reads and parses the file at `path`. Its extension says the syntax; its content does, when the extension is another.
///
/// # Errors
///
/// A file that cannot be read or is too large, and every fault of its syntax.
pub fn load(path: &Path) -> Result<Node, Faults> {
    let bytes = read_file(path).map_err(|problem| whole_file(path, problem))?;
    parse(path, &bytes, None)
}

/// Reads `reader` to its end, as what is called `path` in messages, and parses it; its content says the syntax where `path`
/// does not. For standard input.
///
/// # Errors
///
/// What cannot be read, and those of [`parse`].
pub fn parse_from(path: &Path, reader: impl Read, syntax: Option<Syntax>) -> Result<Node, Faults> {
    let bytes = read_bounded(reader).map_err(|problem| whole_file(path, problem))?;
    parse(path, &bytes, syntax)
}

/// Parses `bytes`. `path` is for messages, and for its extension when no `syntax` is given.
///
/// An empty file is [`Value::Null`] in YAML and an empty map in TOML; [`read`](super::read) takes either for a map without keys. A
/// byte order mark at the start is skipped.
///
/// # Errors
///
/// What is not UTF-8, holds a NUL or passes a bound; every fault of syntax, for TOML, and the first and every duplicate
/// key before it, for YAML and JSON.
pub fn parse(path: &Path, bytes: &[u8], syntax: Option<Syntax>) -> Result<Node, Faults> {
    if bytes.len() > MAX_BYTES {
        return Err(whole_file(path, too_large()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(path, bytes, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(path, text);
    if let Some(at) = text.find('\0') {
        return Err(fault_at(&source, at, "the file holds a NUL character; a configuration is text"));
    }
    match syntax.or_else(|| Syntax::of(path)).unwrap_or_else(|| Syntax::sniff(text)) {
        Syntax::Yaml => yaml::parse(&source),
        Syntax::Json => json::parse(&source),
        Syntax::Toml => toml::parse(&source),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err("is a directory; give the file".to_owned());
    }
    read_bounded(file)
}

/// At most one byte more than [`MAX_BYTES`], so that a device or an endless pipe ends too.
fn read_bounded(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(bytes)
}

fn too_large() -> String {
    format!("the file is larger than {} MiB", MAX_BYTES >> 20)
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Faults {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return whole_file(path, "the file is UTF-16; save it as UTF-8".to_owned());
    }
    let text = String::from_utf8_lossy(&bytes[..valid]);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let problem = format!("the byte {:#04x} is not UTF-8; save the file as UTF-8", bytes[valid]);
    fault_at(&Source::new(path, text), text.len(), &problem)
}

fn fault_at(source: &Arc<Source>, offset: usize, problem: &str) -> Faults {
    let span = Locator::new(source).span(offset);
    Fault::new(span, "", problem).into()
}

fn whole_file(path: &Path, problem: String) -> Faults {
    Fault::new(Span::whole_file(&Source::new(path, "")), "", problem).into()
}
