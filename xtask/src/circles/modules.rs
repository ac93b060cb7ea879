//! What the modules of a crate define, import and name.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::source::Crate;

/// The modules of a crate by their paths, of which that of the root is empty.
pub(super) type Modules = BTreeMap<Vec<String>, Module>;

/// A module, with a file of its own or within one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The file where it stands.
    pub(super) file: String,
    pub(super) children: BTreeSet<String>,
    /// The names of its items.
    pub(super) defined: BTreeSet<String>,
    /// A macro that may make items with names that are not written there: `codes! {..}`.
    pub(super) made: Option<String>,
    pub(super) imports: Vec<Import>,
    /// Paths of two names or more that its code has, and where.
    pub(super) paths: BTreeSet<(Vec<String>, usize)>,
    /// Names that stand alone in its code.
    pub(super) words: BTreeSet<(String, usize)>,
}

/// One name that a `use` brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// The name that it has here, `*` for all.
    pub(super) name: String,
    /// It is handed on: `pub use`, `pub(crate) use`.
    pub(super) is_handed_on: bool,
    pub(super) line: usize,
}

/// Reads every file of a crate.
pub(super) fn read(of: &Crate) -> Modules {
    let mut modules = Modules::new();
    for file in &of.files {
        read_module(&file.tokens, &file.module, &file.path, &mut modules);
    }
    modules
}

fn read_module(tokens: &TokenStream, path: &[String], file: &str, modules: &mut Modules) {
    // There may be two of a name, one under a condition and one under its opposite.
    let mut module = modules.remove(path).unwrap_or_default();
    file.clone_into(&mut module.file);
    items(tokens, path, &mut module, modules);
    modules.insert(path.to_vec(), module);
}

/// The items of a module, and those that it gives to a macro.
fn items(tokens: &TokenStream, path: &[String], module: &mut Module, modules: &mut Modules) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut is_public = false;
    let mut at = 0;
    while at < trees.len() {
        let was_public = std::mem::take(&mut is_public);
        match &trees[at..] {
            [TokenTree::Ident(word), rest @ ..] if word == "pub" => {
                is_public = true;
                at += usize::from(matches!(rest, [TokenTree::Group(_), ..]));
            }
            [TokenTree::Ident(word), ..] if word == "use" => {
                let end = statement(&trees, at);
                imports(&trees[at + 1..end], &[], was_public, &mut module.imports);
                at = end;
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), body, ..] if word == "mod" => {
                module.children.insert(name.to_string());
                if let TokenTree::Group(body) = body {
                    let path = [path, &[name.to_string()]].concat();
                    read_module(&body.stream(), &path, &module.file, modules);
                }
                at += 2;
            }
            [TokenTree::Ident(word), mark, TokenTree::Ident(name), ..]
                if word == "macro_rules" && is_mark(mark, '!') =>
            {
                module.defined.insert(name.to_string());
                at += 2;
            }
            [TokenTree::Ident(word), mark, TokenTree::Group(body), ..]
                if is_mark(mark, '!') && body.delimiter() == Delimiter::Brace =>
            {
                module.made = Some(word.to_string());
                items(&body.stream(), path, module, modules);
                at = named(&trees, at, module) + 2;
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), ..] if is_item(word) && name != "fn" => {
                module.defined.insert(name.to_string());
                at += 1;
            }
            _ => at = named(&trees, at, module),
        }
        at += 1;
    }
}

/// Where the statement that begins here has its semicolon.
fn statement(trees: &[TokenTree], at: usize) -> usize {
    trees[at..].iter().position(|tree| is_mark(tree, ';')).map_or(trees.len(), |end| at + end)
}

fn is_item(word: &Ident) -> bool {
    ["struct", "enum", "trait", "fn", "type", "const", "static", "union"].iter().any(|item| word == item)
}

fn is_mark(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Whether `::` stands here.
fn is_separator(trees: &[TokenTree], at: usize) -> bool {
    trees.get(at).is_some_and(|tree| is_mark(tree, ':')) && trees.get(at + 1).is_some_and(|tree| is_mark(tree, ':'))
}

/// Notes what code names from this token on; answers which token was the last of it.
fn named(trees: &[TokenTree], at: usize, module: &mut Module) -> usize {
    match &trees[at] {
        TokenTree::Group(group) => {
            let within: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut next = 0;
            while next < within.len() {
                next = match &within[next] {
                    // As if its module had it.
                    TokenTree::Ident(word) if word == "use" => {
                        let end = statement(&within, next);
                        imports(&within[next + 1..end], &[], false, &mut module.imports);
                        end
                    }
                    _ => named(&within, next, module),
                } + 1;
            }
            at
        }
        TokenTree::Ident(first) => {
            let mut path = vec![first.to_string()];
            let mut end = at;
            while is_separator(trees, end + 1)
                && let Some(TokenTree::Ident(next)) = trees.get(end + 3)
            {
                path.push(next.to_string());
                end += 3;
            }
            if is_begin(trees, at) {
                let line = first.span().start().line;
                if path.len() > 1 {
                    module.paths.insert((path, line));
                } else if is_used(&path[0], trees.get(end + 1)) {
                    module.words.insert((path.remove(0), line));
                }
            }
            end
        }
        _ => at,
    }
}

/// Whether a name is looked up where it stands: no method, field or lifetime, no rest of a path, no name that is given there.
fn is_begin(trees: &[TokenTree], at: usize) -> bool {
    let mark = |back: usize, mark| at.checked_sub(back).is_some_and(|before| is_mark(&trees[before], mark));
    let is_given =
        at.checked_sub(1).is_some_and(|before| matches!(&trees[before], TokenTree::Ident(word) if word == "fn"));
    let is_rest = mark(1, ':') && mark(2, ':');
    let is_member = mark(1, '.') && !mark(2, '.');
    let is_of_macro = mark(1, '$') && !matches!(&trees[at], TokenTree::Ident(word) if word == "crate");
    !(is_given || is_rest || is_member || is_of_macro || mark(1, '\''))
}

/// Whether a name that stands alone is one of an item and not of a variable: of a type, or called.
fn is_used(name: &str, next: Option<&TokenTree>) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        || matches!(next, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
        || next.is_some_and(|next| is_mark(next, '!'))
}

/// Reads `a::{b, c::{d as e, self}, f::*}`.
fn imports(trees: &[TokenTree], prefix: &[String], is_handed_on: bool, found: &mut Vec<Import>) {
    for tree in trees.split(|tree| is_mark(tree, ',')) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut line = 0;
        let mut is_list = false;
        for (at, part) in tree.iter().enumerate() {
            match part {
                TokenTree::Ident(word) if word == "as" => {
                    name = tree.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    path.push(word.to_string());
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let within: Vec<TokenTree> = group.stream().into_iter().collect();
                    imports(&within, &path, is_handed_on, found);
                    is_list = true;
                }
                part if is_mark(part, '*') => {
                    line = part.span().start().line;
                    name = Some("*".to_owned());
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if !is_list && let Some(last) = path.last() {
            let name = name.unwrap_or_else(|| last.clone());
            found.push(Import { path, name, is_handed_on, line });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Module {
        let mut modules = Modules::new();
        read_module(&text.parse().unwrap(), &[], "a.rs", &mut modules);
        modules.remove(&Vec::new()).unwrap()
    }

    fn paths(text: &str) -> Vec<String> {
        module(text).paths.into_iter().map(|(path, _)| path.join("::")).collect()
    }

    #[test]
    fn what_a_use_brings_is_taken_apart() {
        let module = module("pub(crate) use a::{b, c::{d as e, self}};\nuse f::*; fn g() { use h::i; }");
        let brought =
            module.imports.iter().map(|one| (one.path.join("::"), one.name.as_str(), one.is_handed_on, one.line));
        let expected = [
            ("a::b".to_owned(), "b", true, 1),
            ("a::c::d".to_owned(), "e", true, 1),
            ("a::c".to_owned(), "c", true, 1),
            ("f".to_owned(), "*", false, 2),
            ("h::i".to_owned(), "i", false, 2),
        ];
        assert_eq!(brought.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn items_are_defined_and_what_stands_in_them_is_not() {
        let module = module(
            "pub struct A<T>(T); const fn b() { fn inner() {} } pin_project! { pub struct C { d: u8 } }
             impl A { fn e() {} const F: u8 = 1; } macro_rules! g { () => {} } static H: u8 = 1; mod i; mod j {}",
        );
        assert_eq!(module.defined.iter().collect::<Vec<_>>(), ["A", "C", "H", "b", "g"]);
        assert_eq!(module.children.iter().collect::<Vec<_>>(), ["i", "j"]);
    }

    #[test]
    fn paths_are_found_wherever_they_are_written() {
        assert_eq!(
            paths("fn a() -> b::C { assert!(d::e(f, ..g::H)); i.j::<k::L>() }"),
            ["b::C", "d::e", "g::H", "k::L"]
        );
        assert_eq!(paths("macro_rules! a { ($b:ident) => { $crate::c::d($b::e) } }"), ["crate::c::d"]);
        assert_eq!(paths("const A: b::C = <d::E as f::G>::H;"), ["b::C", "d::E", "f::G"]);
    }

    #[test]
    fn a_name_alone_is_noted_where_it_is_one_of_an_item() {
        let words = module("fn a(b: C) { let now = now(); d.e(now); F }").words;
        let words: Vec<_> = words.into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["C", "F", "now"]);
    }

    #[test]
    fn a_module_within_a_file_is_one_of_its_own() {
        let mut modules = Modules::new();
        read_module(&"mod b { use super::C; } struct C;".parse().unwrap(), &["a".to_owned()], "a.rs", &mut modules);
        let inner = &modules[&vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!((inner.file.as_str(), inner.imports.len()), ("a.rs", 1));
    }

    #[test]
    fn two_modules_of_one_name_are_taken_together() {
        let mut modules = Modules::new();
        let code = "#[cfg(a)] mod b { use c::D; } #[cfg(not(a))] mod b { use c::E; }";
        read_module(&code.parse().unwrap(), &[], "a.rs", &mut modules);
        assert_eq!(modules[&vec!["b".to_owned()]].imports.len(), 2);
    }
}
