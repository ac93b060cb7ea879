//! Nothing is written twice: no ten lines of code stand to the letter in two places.

use std::collections::{BTreeMap, HashMap};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use crate::source::Crate;

/// So many lines are a repeat. Blank lines, comments and `use` do not count.
const LEAST: usize = 10;

/// The lines of a file that count: the number of each, and what it says.
type Lines = Vec<(usize, String)>;

/// Two files that say the same on purpose, and why. A line here that is not needed any more is a fault.
const ON_PURPOSE: [(&str, &str, &str); 7] = [
    ("grpc/client/config.rs", "http/client/config.rs", BUILDERS),
    ("grpc/client/config.rs", "unix/client/config.rs", BUILDERS),
    ("http/client/config.rs", "unix/client/config.rs", BUILDERS),
    ("grpc/client/settings.rs", "http/client/settings.rs", "a table is read as a whole, each key with its bounds"),
    ("grpc/server/options.rs", "http/server/options.rs", BUILDERS),
    ("grpc/server/service.rs", "http/server/service.rs", BUILDERS),
    ("tls/client.rs", "tls/server.rs", "the settings of the two sides, each with what they mean on its own page"),
];

const BUILDERS: &str = "the setters of a public type stand on its own page, with what they mean there";

/// The repeats, each with its two places.
pub(crate) fn faults(crates: &[Crate]) -> Vec<String> {
    let files = crates.iter().flat_map(|one| &one.files);
    let mut files: Vec<(&str, Lines)> = files.map(|file| (file.path.as_str(), lines(&file.tokens))).collect();
    // What two programs share is there twice.
    files.sort();
    files.dedup();
    but_on_purpose(repeats(&files), &ON_PURPOSE)
}

/// Those that are not on purpose, and each purpose that is none any more.
fn but_on_purpose(mut found: Vec<String>, on_purpose: &[(&str, &str, &str)]) -> Vec<String> {
    for (one, other, why) in on_purpose {
        let before = found.len();
        found.retain(|fault| !(fault.contains(&format!("{one}:")) && fault.contains(&format!("{other}:"))));
        if found.len() == before {
            found.push(format!("{one} and {other} have nothing twice any more, and are listed: {why}"));
        }
    }
    found
}

/// The lines of code with one space between two tokens.
fn lines(tokens: &TokenStream) -> Lines {
    let mut lines = BTreeMap::new();
    note(tokens, &mut lines);
    lines.into_iter().collect()
}

fn note(tokens: &TokenStream, lines: &mut BTreeMap<usize, String>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        if let Some(end) = import(&trees, at) {
            at = end + 1;
            continue;
        }
        match &trees[at] {
            TokenTree::Group(group) => {
                let (open, close) = marks(group.delimiter());
                add(lines, group.span_open(), open);
                note(&group.stream(), lines);
                add(lines, group.span_close(), close);
            }
            tree => add(lines, tree.span(), &tree.to_string()),
        }
        at += 1;
    }
}

fn add(lines: &mut BTreeMap<usize, String>, span: Span, token: &str) {
    let line = lines.entry(span.start().line).or_default();
    line.push_str(if line.is_empty() || token.is_empty() { "" } else { " " });
    line.push_str(token);
}

fn marks(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Where a `use` ends that begins here.
fn import(trees: &[TokenTree], at: usize) -> Option<usize> {
    let is_word = |at: usize, word| matches!(trees.get(at), Some(TokenTree::Ident(found)) if found == word);
    let is_use = if !is_word(at, "pub") {
        is_word(at, "use")
    } else {
        let is_wide = matches!(trees.get(at + 1), Some(TokenTree::Group(_)));
        is_word(at + 1 + usize::from(is_wide), "use")
    };
    let is_end = |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ';');
    is_use.then(|| trees[at..].iter().position(is_end).map_or(trees.len(), |end| at + end))
}

/// Each run of lines that stands in two places, once and as long as it is.
fn repeats(files: &[(&str, Lines)]) -> Vec<String> {
    let mut places: HashMap<Vec<&str>, Vec<(usize, usize)>> = HashMap::new();
    for (file, (_, lines)) in files.iter().enumerate() {
        for (at, run) in lines.windows(LEAST).enumerate() {
            places.entry(run.iter().map(|(_, line)| line.as_str()).collect()).or_default().push((file, at));
        }
    }
    let text = |(file, at): (usize, usize)| files[file].1.get(at).map(|(_, line)| line);
    let mut found = Vec::new();
    for places in places.values() {
        let pairs =
            places.iter().enumerate().flat_map(|(at, one)| places[at + 1..].iter().map(move |other| (*one, *other)));
        for (one, other) in pairs {
            let is_rest = one.1 > 0 && other.1 > 0 && text((one.0, one.1 - 1)) == text((other.0, other.1 - 1));
            let overlaps = one.0 == other.0 && other.1 - one.1 < LEAST;
            if is_rest || overlaps {
                continue;
            }
            let is_same = |length: &usize| {
                let here = text((one.0, one.1 + length));
                here.is_some() && here == text((other.0, other.1 + length))
            };
            let length = (0..).take_while(is_same).count();
            let place = |(file, at): (usize, usize)| {
                let (path, lines) = &files[file];
                format!("{path}:{}-{}", lines[at].0, lines[at + length - 1].0)
            };
            found.push(format!("{length} lines stand twice: {} and {}", place(one), place(other)));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of so many lines, the brace at its end included.
    fn function(name: &str, length: usize) -> String {
        let body: String = (2..length).map(|at| format!("    step_{at}(x);\n")).collect();
        format!("fn {name}() {{\n{body}}}\n")
    }

    fn found(files: &[&str]) -> Vec<String> {
        let names = ["a.rs", "b.rs", "c.rs"];
        let files: Vec<_> =
            names.into_iter().zip(files).map(|(name, code)| (name, lines(&code.parse().unwrap()))).collect();
        repeats(&files)
    }

    #[test]
    fn ten_equal_lines_are_a_repeat_and_nine_are_not() {
        let same = [function("f", 10), format!("const A: u8 = 1;\n\n{}", function("f", 10))];
        assert_eq!(found(&[&same[0], &same[1]]), ["10 lines stand twice: a.rs:1-10 and b.rs:3-12"]);
        assert_eq!(found(&[&function("f", 9), &function("f", 9)]), [""; 0]);
        assert_eq!(found(&[&function("f", 10), &function("g", 10)]), [""; 0]);
    }

    #[test]
    fn what_is_twice_on_purpose_is_no_repeat_and_an_idle_purpose_is_a_fault() {
        let found = || vec!["10 lines stand twice: a.rs:1-10 and b.rs:3-12".to_owned()];
        assert_eq!(but_on_purpose(found(), &[("a.rs", "b.rs", "why")]), [""; 0]);
        let both = but_on_purpose(found(), &[("a.rs", "c.rs", "why")]);
        assert_eq!(both.len(), 2, "{both:?}");
    }

    #[test]
    fn comments_blank_lines_and_indentation_make_no_difference() {
        let other = function("f", 12).replace("step_3", "\n // aside\n        step_3").replace("(x)", "( x )");
        assert_eq!(found(&[&function("f", 12), &other]), ["12 lines stand twice: a.rs:1-12 and b.rs:1-14"]);
    }

    #[test]
    fn imports_do_not_count() {
        let imports: String =
            (0..12).map(|at| format!("pub(crate) use a::{{\n    b_{at}\n}};\nuse c::d_{at};\n")).collect();
        assert_eq!(found(&[&imports, &imports]), [""; 0]);
    }

    #[test]
    fn a_repeat_within_a_file_counts_too() {
        let twice = [function("f", 10), function("f", 10)].concat();
        assert_eq!(found(&[&twice]), ["10 lines stand twice: a.rs:1-10 and a.rs:11-20"]);
    }

    #[test]
    fn three_places_are_three_pairs() {
        let code = function("f", 11);
        assert_eq!(found(&[&code, &code, &code]).len(), 3);
    }
}
