//! The table of words as it stands in `ARCHITECTURE.md`.

use std::fmt::{Display, Write as _};

use super::table::{Difference, Idea, Unwanted};

/// The heading of the section that is written from the table.
pub(super) const HEADING: &str = "## One table of words";

const BEGIN: &str = "\
The same thing has the same word in every crate. `X` is the name of the concern (`CircuitBreaker`, `Retry`): who knows one
crate finds his way in the next. `cargo xtask tidy --only words` holds the public items to this table, which is written from
`xtask/src/words/table.rs`; who adds a word, or needs another one, changes it there and says why.
";

const MIDDLE: &str = "\
A setting that cannot be is a `ConfigError` everywhere, and a future that is polled after it was ready panics and says which
future it was. A ready-made answer and a closure are both taken by the one word `reject_with`, and so it is with `classify`.

Where a concern has another word, or none:
";

const END: &str = "\
A type whose name ends in `Error` is an error; no name of a type is abbreviated; a crate has no two public types of one
name. What these would say has a word already:
";

/// The section, from its heading to the next.
pub(super) fn section(ideas: &[Idea], differences: &[Difference], functions: &[Unwanted]) -> String {
    let mut page = format!("{HEADING}\n\n{BEGIN}\n| idea | word |\n|---|---|\n");
    for idea in ideas {
        let words = listed(idea.words.iter().map(|word| written(word)));
        let _ = writeln!(page, "| {} | {words} |", idea.about);
    }
    let _ = write!(page, "\n{MIDDLE}\n| word | concern | instead | why |\n|---|---|---|---|\n");
    for difference in differences {
        let words = listed(difference.words.iter().map(|word| written(word)));
        let concerns = listed(difference.concerns);
        let instead = difference.instead.map_or_else(|| "-".to_owned(), |instead| format!("`{instead}`"));
        let _ = writeln!(page, "| {words} | {concerns} | {instead} | {} |", difference.why);
    }
    let _ = write!(page, "\n{END}\n| not | but |\n|---|---|\n");
    for Unwanted { word, of, right } in functions {
        let of = if of.is_empty() { String::new() } else { format!("X{of}::") };
        let _ = writeln!(page, "| `{of}{word}` | `{of}{right}` |");
    }
    page
}

/// As a list of code.
fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// As a program writes it, with `X` for the concern.
fn written(word: &str) -> String {
    let (part, function) = word.split_once("::").unwrap_or((word, ""));
    let of = match part {
        "Service" => "X".to_owned(),
        "Future" => "ResponseFuture".to_owned(),
        part => format!("X{part}"),
    };
    if function.is_empty() { of } else { format!("{of}::{function}") }
}

/// The page with the section in the place of the one that it has, and that one.
///
/// # Errors
///
/// A page without that heading.
pub(super) fn replaced<'a>(page: &'a str, section: &str) -> Result<(String, &'a str), String> {
    let begin = page.find(&format!("{HEADING}\n")).ok_or_else(|| format!("there is no heading `{HEADING}`"))?;
    let rest = &page[begin..];
    let end = rest[HEADING.len()..].find("\n## ").map_or(page.len(), |at| begin + HEADING.len() + at);
    Ok((format!("{}{section}{}", &page[..begin], &page[end..]), &page[begin..end]))
}

#[cfg(test)]
mod tests {
    use super::super::table::Difference;
    use super::*;

    #[test]
    fn the_section_has_a_row_for_each_idea_and_each_difference() {
        let ideas = [Idea { about: "layer and service", words: &["Layer", "Service", "Layer::handle"] }];
        let alone = Difference { concerns: &["Gate"], words: &["Layer"], instead: None, why: "it stands alone" };
        let page = section(&ideas, &[alone], &[Unwanted { word: "list", of: "Handle", right: "stats" }]);
        assert!(page.contains("\n| layer and service | `XLayer`, `X`, `XLayer::handle` |\n"), "{page}");
        assert!(page.contains("\n| `XLayer` | `Gate` | - | it stands alone |\n"), "{page}");
        assert!(page.contains("\n| `XHandle::list` | `XHandle::stats` |\n"), "{page}");
    }

    #[test]
    fn the_section_is_replaced_and_nothing_around_it() {
        let page = format!("# A\n\n{HEADING}\n\nold\n\n## Next\n\nkept\n");
        let (new, old) = replaced(&page, "## One table of words\n\nnew\n").unwrap();
        assert_eq!(old, "## One table of words\n\nold\n");
        assert_eq!(new, "# A\n\n## One table of words\n\nnew\n\n## Next\n\nkept\n");
        assert_eq!(replaced(&new, "## One table of words\n\nnew\n").unwrap().0, new);
    }

    #[test]
    fn a_section_at_the_end_is_replaced_too() {
        let page = format!("# A\n\n{HEADING}\n\nold\n");
        assert_eq!(replaced(&page, "new\n").unwrap(), ("# A\n\nnew\n".to_owned(), &page[5..]));
    }

    #[test]
    fn a_page_without_the_heading_is_told_of() {
        assert_eq!(replaced("# A\n", "new").unwrap_err(), "there is no heading `## One table of words`");
    }
}
