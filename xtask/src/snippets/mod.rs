//! Builds every Rust snippet of the pages as its reader would: as a crate of its own, with the dependencies and the
//! features that its page names, and no others.
//!
//! Doc tests run the snippets too, but with every dependency that the tests of the crate happen to have.
//!
//! What a snippet needs stands in the last TOML block with `[dependencies]` above it on the same page. Snippets that
//! share a block share a crate, as programs of their own.

mod page;
mod workspace;

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Cmd, Failure, root};
use page::Snippet;

/// Where the crates are written. They are built in the target directory of the repository, so that what they depend on
/// is shared with the other checks where its features are the same.
const DIRECTORY: &str = "target/snippets";

/// Checks all of them, and says at the end how many there were.
pub(crate) fn run() -> Result<Option<String>, Failure> {
    let snippets = of_all_pages(&root())?;
    let packages = workspace::write(&root(), &root().join(DIRECTORY), &snippets)
        .map_err(|error| Failure::new(format!("cannot write {DIRECTORY}: {error}")))?;
    for package in &packages {
        Cmd::cargo(["check", "--quiet", "--offline", "--bins", "--manifest-path"])
            .args([&format!("{DIRECTORY}/Cargo.toml"), "--package", package])
            .env("CARGO_TARGET_DIR", "target")
            .run()
            .map_err(|failure| failure.hint("`line_12.rs` is the snippet at line 12 of the page"))?;
    }
    Ok(Some(format!("Snippets: {} built alone, out of {} lists of dependencies", snippets.len(), packages.len())))
}

/// The snippets of every page, or what is wrong with the pages.
fn of_all_pages(root: &Path) -> Result<Vec<Snippet>, Failure> {
    let mut snippets = Vec::new();
    let mut faults = Vec::new();
    for path in pages(root).map_err(|error| Failure::new(format!("cannot list the pages: {error}")))? {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
        match page::snippets(&name, &text) {
            Ok(found) => snippets.extend(found),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(snippets) } else { Err(Failure::new(faults.join("\n"))) }
}

/// The first page, `docs/`, and of each crate its page and its `docs/`.
fn pages(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut pages = vec![root.join("README.md")];
    let mut directories = vec![root.join("docs")];
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("plugin-")) {
            pages.push(path.join("README.md"));
            directories.push(path.join("docs"));
        }
    }
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        for entry in fs::read_dir(directory)? {
            pages.push(entry?.path());
        }
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_of_the_pages_stands_below_what_it_needs() {
        let snippets = of_all_pages(&root()).unwrap_or_else(|failure| panic!("{failure}"));
        for page in ["README.md", "plugin-core/README.md", "plugin-retry/docs/over-http.md"] {
            assert!(snippets.iter().any(|snippet| snippet.page == page), "{page} has none");
        }
    }
}
