//! The Rust files of the workspace, as tokens: no comment, no documentation, nothing that only tests have.

mod cut;

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::process::{Failure, root};

/// A file and the module that it is.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root of the workspace.
    pub(crate) path: String,
    /// The names of the modules from the root of its crate, which is an empty list.
    pub(crate) module: Vec<String>,
    pub(crate) tokens: TokenStream,
}

/// A library or a program of the workspace, every file that it is made of.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) files: Vec<File>,
}

/// All of them: what has a `src/lib.rs` or a `src/main.rs`.
pub(crate) fn load() -> Result<Vec<Crate>, Failure> {
    let failed = |path: &Path, what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", path.display()));
    let entries = fs::read_dir(root()).map_err(|error| failed(&root(), &error))?;
    let mut sources: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("src")).collect();
    sources.sort();
    let roots = sources.iter().flat_map(|source| [source.join("lib.rs"), source.join("main.rs")]);
    let crates = roots.filter(|path| path.is_file()).map(|path| {
        let mut files = Vec::new();
        read(&path, Vec::new(), &mut files)?;
        Ok(Crate { files })
    });
    crates.collect()
}

/// Reads a file and those of the modules that it declares.
fn read(path: &Path, module: Vec<String>, files: &mut Vec<File>) -> Result<(), Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let tokens: TokenStream = text.parse().map_err(|error| failed(&error))?;
    let tokens = cut::tests_and_docs(tokens);
    let mut declared = Vec::new();
    declarations(&tokens, &mut Vec::new(), &mut declared);
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    files.push(File { path: shown, module: module.clone(), tokens });
    let own = matches!(path.file_stem().and_then(|stem| stem.to_str()), Some("lib" | "main" | "mod"));
    let folder = if own { path.with_file_name("") } else { path.with_extension("") };
    for names in declared {
        let place = folder.join(names.join("/"));
        let candidates = [place.with_extension("rs"), place.join("mod.rs")];
        let found = candidates.iter().find(|path| path.is_file());
        let found = found.ok_or_else(|| failed(&format!("no file for the module `{}`", names.join("::"))))?;
        read(found, [module.clone(), names].concat(), files)?;
    }
    Ok(())
}

/// The modules that have a file of their own: `mod name;`, also within a module that has none.
fn declarations(tokens: &TokenStream, within: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for three in trees.windows(3) {
        let [TokenTree::Ident(word), TokenTree::Ident(name), end] = three else { continue };
        if word != "mod" {
            continue;
        }
        within.push(name.to_string());
        match end {
            TokenTree::Punct(end) if end.as_char() == ';' => found.push(within.clone()),
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                declarations(&body.stream(), within, found);
            }
            _ => {}
        }
        within.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_with_a_file_are_found_wherever_they_are_declared() {
        let tokens = "pub mod a; mod b { mod c; fn f() {} } mod d {} struct E;".parse().unwrap();
        let mut found = Vec::new();
        declarations(&tokens, &mut Vec::new(), &mut found);
        assert_eq!(found, [vec!["a"], vec!["b", "c"]]);
    }

    #[test]
    fn the_files_of_this_program_are_found_and_those_of_its_tests_are_not() {
        let crates = load().unwrap();
        let this = crates.iter().find(|one| one.files[0].path == "xtask/src/main.rs").unwrap();
        let paths: Vec<&str> = this.files.iter().map(|file| file.path.as_str()).collect();
        assert!(paths.contains(&"xtask/src/source/cut.rs") && paths.contains(&"xtask/src/circles/mod.rs"), "{paths:?}");
        assert!(!paths.contains(&"xtask/src/claims.rs"), "a module of tests");
    }
}
