//! A page that names a file names one that is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{read, root};

/// The pages that people read, wherever they are.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut directories = vec![root(), root().join("docs")];
    directories.extend(fs::read_dir(root()).expect("the workspace").map(|entry| entry.expect("an entry").path()));
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages.sort();
    pages.dedup();
    pages
}

/// The page without its blocks of code, whose paths are those of a user's own folder.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// Where the links of a page go within the repository.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let targets = prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let files = targets.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains(':'))
}

/// What stands in a page as code and may be a path.
fn paths(prose: &str) -> impl Iterator<Item = &str> {
    let spans = prose.split('`').skip(1).step_by(2).map(|span| span.split("::").next().unwrap_or_default());
    spans.filter(|span| span.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter)))
}

/// Whether it is a path of the repository: its first part is a directory at the top.
fn is_from_the_top(path: &str) -> bool {
    let top = path.split_once('/').map_or("", |(top, _)| top);
    !["", "target"].contains(&top) && !top.starts_with('.') && root().join(top).is_dir()
}

/// The files beneath a directory, without what is built.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name();
        if entry.path().is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                files(&entry.path(), found);
            }
        } else {
            found.push(entry.path());
        }
    }
}

/// What a page names and is not there. A file of Rust may be named by the end of its path.
fn missing(directory: &Path, page: &str, files: &[PathBuf]) -> Vec<String> {
    let prose = prose(page);
    let links = links(&prose).filter(|link| !directory.join(link).exists());
    let paths = paths(&prose).filter(|path| match path.ends_with(".rs") {
        true => !files.iter().any(|file| file.ends_with(path)),
        false => is_from_the_top(path) && !root().join(path).exists() && !directory.join(path).exists(),
    });
    links.chain(paths).map(str::to_owned).collect()
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let pages = pages();
    assert!(pages.len() > 15, "{} pages were found", pages.len());
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    files(&root(), &mut found);
    for page in pages {
        let directory = page.parent().expect("a directory");
        faults.extend(
            missing(directory, &read(&page), &found).into_iter().map(|path| format!("{}: {path}", page.display())),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_link_to_nothing_and_a_file_that_has_moved_are_faults() {
    let page = "[it](README.md#top), [gone](gone.md), `docs/`, `docs/gone/`, `of/users.yaml`, [web](https://x.y)\n\
                `a/b.rs`, `b.rs::a_test`, `c/b.rs`\n```\n`docs/in_a_block`\n```\n";
    let found = missing(&root(), page, &["/w/a/b.rs".into()]);
    assert_eq!(found, ["gone.md", "docs/gone/", "c/b.rs"]);
}
