//! The declaration as a table in Markdown, and its place on a page.

use std::fmt::Write;

use plugin_core::settings::{Key, Kind, Table, bounds_in_words};

/// The keys of `table` and of the sections in it, as a table: name, default, bounds, sentence.
///
/// A key of a section inside has the name of the section before it (`budget.ratio`).
#[must_use]
pub fn markdown(table: &'static Table) -> String {
    let mut out = String::from("| key | default | takes | |\n|---|---|---|---|\n");
    rows("", table, &mut out);
    out
}

fn rows(prefix: &str, table: &'static Table, out: &mut String) {
    for key in table.keys() {
        row(prefix, key, "", out);
        if let Some(inner) = key.kind().table() {
            rows(&format!("{prefix}{}.", key.name()), inner, out);
        }
    }
}

/// One key. `instead` stands for what it takes, unless it is empty.
pub(super) fn row(prefix: &str, key: &Key, instead: &str, out: &mut String) {
    let default = match key.default_text() {
        "" if key.is_required() => "required".to_owned(),
        "" => String::new(),
        text if text.contains([' ', '`']) => text.to_owned(),
        text => format!("`{text}`"),
    };
    let only = match key.modes() {
        [] => String::new(),
        modes => format!(" Only for {}.", modes.join(", ")),
    };
    let takes = if instead.is_empty() { takes(key.kind()) } else { instead.to_owned() };
    // A bar would end the cell.
    let (name, about) = (key.name(), key.about().replace('|', "\\|"));
    // Writing to a string cannot fail.
    let _ = writeln!(out, "| `{prefix}{name}` | {default} | {takes} | {about}{only} |");
}

/// What a key takes, in words.
fn takes(kind: &Kind) -> String {
    let bounds = bounds_in_words(kind);
    let bounds = bounds.trim_start().strip_prefix("of ").unwrap_or(bounds.trim_start());
    let with = |noun: &str| if bounds.is_empty() { noun.to_owned() } else { format!("{noun}, {bounds}") };
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Bool => "`true`, `false`".to_owned(),
        Kind::Integer(_) => with("whole number"),
        Kind::Number(_) => with("number"),
        Kind::Time(_) => with("duration"),
        Kind::CountOrTime(..) => bounds.to_owned(),
        Kind::Size(_) => with("size"),
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Word(list) => words(list),
        Kind::AnyCase(list) => format!("{}, in any case", words(list)),
        Kind::WordOrNumber(list) => format!("{}, or its number from 0", words(list)),
        Kind::WordOrShare(list) => format!("{}, or a share from 0.0 to 1.0", words(list)),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Names(_) => "list of names".to_owned(),
        Kind::TextMap => "texts by name".to_owned(),
        Kind::SecretMap => "secrets by name".to_owned(),
        Kind::AnyCaseMap(list) => format!("by name: {}, in any case", words(list)),
        Kind::List(_) => "list".to_owned(),
        _ => "section".to_owned(),
    }
}

/// The page with the table between its markers, `<!-- settings: NAME -->` and `<!-- end -->`.
///
/// # Errors
///
/// When the page has no such markers.
pub fn on_page(page: &str, table: &'static Table) -> Result<String, String> {
    let begin = format!("<!-- settings: {} -->\n", table.name());
    let missing = |what: &str| format!("the page has no line {what:?}");
    let start = page.find(&begin).ok_or_else(|| missing(begin.trim_end()))? + begin.len();
    let end = page[start..].find("<!-- end -->").ok_or_else(|| missing("<!-- end -->"))? + start;
    Ok(format!("{}\n{}\n{}", &page[..start], markdown(table), &page[end..]))
}
