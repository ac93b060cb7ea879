//! Takes out of a file what is not looked at: documentation, and what `#[cfg(test)]` stands above.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The tokens without them.
pub(super) fn tests_and_docs(tokens: TokenStream) -> TokenStream {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut kept = Vec::with_capacity(trees.len());
    let mut at = 0;
    while at < trees.len() {
        match attribute(&trees[at..]) {
            Some((attribute, _, true)) if is_of_tests(attribute) => return TokenStream::new(),
            Some((attribute, length, false)) if is_of_tests(attribute) => at += length + item(&trees[at + length..]),
            Some((attribute, length, _)) if first_word(&attribute.stream()) == "doc" => at += length,
            _ => {
                kept.push(within(&trees[at]));
                at += 1;
            }
        }
    }
    kept.into_iter().collect()
}

fn within(tree: &TokenTree) -> TokenTree {
    let TokenTree::Group(group) = tree else { return tree.clone() };
    let mut cut = Group::new(group.delimiter(), tests_and_docs(group.stream()));
    cut.set_span(group.span());
    cut.into()
}

fn is_mark(tree: Option<&TokenTree>, mark: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// What stands between the brackets, how many tokens it has, and whether it is about all that it stands in: `#![..]`.
fn attribute(trees: &[TokenTree]) -> Option<(&Group, usize, bool)> {
    let is_inner = is_mark(trees.get(1), '!');
    let at = if is_inner { 2 } else { 1 };
    match trees.get(at) {
        Some(TokenTree::Group(group)) if is_mark(trees.first(), '#') && group.delimiter() == Delimiter::Bracket => {
            Some((group, at + 1, is_inner))
        }
        _ => None,
    }
}

fn first_word(tokens: &TokenStream) -> String {
    tokens.clone().into_iter().next().map(|tree| tree.to_string()).unwrap_or_default()
}

/// `cfg(test)`, `cfg(all(test, ..))`: what is there in tests alone, or when decoders are fuzzed.
fn is_of_tests(attribute: &Group) -> bool {
    let trees: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match trees.as_slice() {
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => needs_test(&condition.stream()),
        _ => false,
    }
}

/// Whether a condition, or a list of which all must hold, holds in tests alone.
fn needs_test(condition: &TokenStream) -> bool {
    let trees: Vec<TokenTree> = condition.clone().into_iter().collect();
    trees.iter().enumerate().any(|(at, tree)| match (tree, trees.get(at + 1)) {
        (TokenTree::Ident(word), Some(TokenTree::Group(all))) if word == "all" => needs_test(&all.stream()),
        (TokenTree::Ident(word), Some(TokenTree::Group(any))) if word == "any" => {
            let words: Vec<String> = any.stream().into_iter().map(|tree| tree.to_string()).collect();
            words == ["fuzzing", ",", "test"]
        }
        (TokenTree::Ident(word), _) => word == "test",
        _ => false,
    })
}

/// How many tokens the item, the field or the statement has that stands here, with its other attributes.
fn item(trees: &[TokenTree]) -> usize {
    let mut at = 0;
    while let Some((_, length, _)) = attribute(&trees[at..]) {
        at += length;
    }
    let is_word = |at: usize, words: &[&str]| matches!(trees.get(at), Some(TokenTree::Ident(word)) if words.iter().any(|other| word == other));
    let mut first = at;
    if is_word(first, &["pub"]) {
        first += 1;
        if matches!(trees.get(first), Some(TokenTree::Group(_))) {
            first += 1;
        }
    }
    let is_function = is_word(first, &["const"]) && is_word(first + 1, &["fn", "unsafe", "async"]);
    let ends_in_mark = is_word(first, &["use", "static", "type", "let", "const"]) && !is_function;
    let ends_in_body = is_function
        || is_word(first, &["mod", "fn", "impl", "struct", "enum", "trait", "union", "unsafe", "async", "extern"])
        || is_word(first, &["macro_rules", "thread_local"]);
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Punct(mark) => mark.as_char() == ';' || (mark.as_char() == ',' && !ends_in_mark && !ends_in_body),
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && ends_in_body,
        _ => false,
    };
    trees[at..].iter().position(is_end).map_or(trees.len(), |end| at + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> String {
        tests_and_docs(text.parse().unwrap()).to_string()
    }

    fn plain(text: &str) -> String {
        text.parse::<TokenStream>().unwrap().to_string()
    }

    #[test]
    fn what_only_tests_have_is_gone() {
        assert_eq!(left("#[cfg(test)] mod tests { fn a() {} } fn b() {}"), plain("fn b() {}"));
        assert_eq!(left("#[cfg(test)] mod tests; fn b() {}"), plain("fn b() {}"));
        assert_eq!(left("#[cfg(all(test, not(loom)))] pub(crate) use a::{b, c}; use d::e;"), plain("use d::e;"));
        assert_eq!(left("#[cfg(test)] #[derive(Debug)] struct A<B, C> { b: B, c: C } struct D;"), plain("struct D;"));
        assert_eq!(left("#[cfg(test)] const fn a<B, C>() {} const D: E = E {};"), plain("const D: E = E {};"));
        assert_eq!(left("#[cfg(test)] const D: E = E {}; fn f() {}"), plain("fn f() {}"));
        assert_eq!(left("#![cfg(test)] fn a() {}"), "");
        assert_eq!(left("#[cfg(all(any(fuzzing, test), feature = \"b\"))] mod a; mod c;"), plain("mod c;"));
    }

    #[test]
    fn within_a_type_and_a_function_too() {
        assert_eq!(left("struct A { #[cfg(test)] b: usize, c: u8 }"), plain("struct A { c: u8 }"));
        assert_eq!(left("fn a() { #[cfg(test)] b::c(); d(); }"), plain("fn a() { d(); }"));
    }

    #[test]
    fn what_others_have_too_stays() {
        for text in [
            "#[cfg(not(test))] fn a() {}",
            "#[cfg(any(test, feature = \"fake\"))] fn a() {}",
            "#[cfg(feature = \"test\")] mod a;",
            "#[derive(Debug)] struct A;",
        ] {
            assert_eq!(left(text), plain(text));
        }
    }

    #[test]
    fn documentation_is_gone() {
        let text = "//! Of the file.\n/// Of the item.\n#[must_use]\nfn a() { // aside\n b() }";
        assert_eq!(left(text), plain("#[must_use] fn a() { b() }"));
    }
}
