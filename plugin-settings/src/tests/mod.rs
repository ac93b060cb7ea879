//! Tests across the files of this folder.

use std::path::Path;

use super::*;

mod arbitrary;
mod bounds;
mod faults;
mod keys;
mod layers;
mod places;
mod reading;
mod secrets;
mod syntaxes;

const ALL: [Syntax; 3] = [Syntax::Yaml, Syntax::Json, Syntax::Toml];

fn name(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Yaml => "g.yaml",
        Syntax::Json => "g.json",
        Syntax::Toml => "g.toml",
    }
}

fn try_parse(syntax: Syntax, text: &str) -> Result<Node, Faults> {
    parse(Path::new(name(syntax)), text.as_bytes(), None)
}

#[track_caller]
fn tree(syntax: Syntax, text: &str) -> Node {
    try_parse(syntax, text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

#[track_caller]
fn yaml(text: &str) -> Node {
    tree(Syntax::Yaml, text)
}

/// The faults of a text that must not parse, one per line, without the file's name.
#[track_caller]
fn refused(syntax: Syntax, text: &str) -> String {
    match try_parse(syntax, text) {
        Ok(node) => panic!("{text:?} was accepted as {node:?}"),
        Err(faults) => faults.to_string().replace(&format!("{}:", name(syntax)), ""),
    }
}
