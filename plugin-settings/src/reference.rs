//! The reference of a whole configuration, out of its tables.

use std::fmt::Write;

use plugin_core::settings::{Key, Kind, Table};

use super::declared::Unavailable;
use super::markdown::row;

/// How values are written, whatever the key.
const VALUES: &str = "\
- **duration**: text such as `30s`, `1m30s`, `500ms` or `30d`; an integer is nanoseconds, and less than a millisecond is refused.
- **size**: text such as `10MiB` (1024) or `10MB` (1000); an integer is bytes.
- **path**: relative to the directory of the file; with `-c -`, to the directory that the program works in.
- **secret**: the text, `${VAR}`, or `file:PATH` for what a file holds. It is never shown.
- **texts by name**: a map, or a list of `NAME=value`.
- In every text `${VAR}` stands for a variable of the environment, `${VAR:-default}` for one that may be absent, `$$` for `$`.
- `null` counts as absent. What is off (`enabled: false`) is not checked further.
";

/// Every key of a configuration with the keys of `table`, as a page in Markdown: a part for each section, with where it
/// stands, its keys, their defaults and bounds. The keys of `unavailable` come last.
#[must_use]
pub fn reference(title: &str, table: &'static Table, unavailable: Unavailable) -> String {
    let mut parts: Vec<(&'static Table, Vec<String>)> = Vec::new();
    collect(table, String::new(), &mut parts);
    // Writing to a string cannot fail.
    let mut out = format!("# {title}\n\n{}\n\nHow values are written:\n\n{VALUES}", table.about());
    for (table, places) in &parts {
        let places: Vec<_> =
            places.iter().filter(|place| !place.is_empty()).map(|place| format!("`{place}`")).collect();
        if !places.is_empty() {
            let _ = write!(out, "\n## {}\n\n{} At {}.\n", table.name(), table.about(), places.join(", "));
        }
        out.push_str("\n| key | default | takes | |\n|---|---|---|---|\n");
        for key in table.keys() {
            row("", key, &link(key), &mut out);
        }
    }
    if !unavailable.is_empty() {
        out.push_str("\n## Not in this version\n\nThese are refused by name, unless they switch nothing on.\n\n");
        for (table, keys) in unavailable {
            let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
            let _ = writeln!(out, "- {table}: {}", keys.join(", "));
        }
    }
    out
}

/// Where the keys of a section are.
fn link(key: &Key) -> String {
    let anchor = |table: &Table| {
        let anchor: String = table.name().chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
        format!("[{}](#{anchor})", table.name())
    };
    match key.kind() {
        Kind::List(table) => format!("list of {}", anchor(table)),
        kind => kind.table().map(anchor).unwrap_or_default(),
    }
}

/// Each table once, in the order in which a reader meets them, with every place where it stands.
fn collect(table: &'static Table, at: String, parts: &mut Vec<(&'static Table, Vec<String>)>) {
    match parts.iter_mut().find(|(known, _)| known.name() == table.name()) {
        Some((_, places)) => places.push(at.clone()),
        None => parts.push((table, vec![at.clone()])),
    }
    for key in table.keys() {
        let list = if matches!(key.kind(), Kind::List(_)) { "[]" } else { "" };
        let dot = if at.is_empty() { "" } else { "." };
        if let Some(inner) = key.kind().table() {
            collect(inner, format!("{at}{dot}{}{list}", key.name()), parts);
        }
    }
}
