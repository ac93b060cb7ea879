//! Each row of `docs/regressions.md` names a test that exists: a row outlives its test when the test is renamed.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::process::root;

/// The names of all functions in the sources beneath a directory.
fn functions(directory: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                functions(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path).unwrap_or_default();
            let names = code.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.split('<').next().unwrap_or_default().to_owned()));
        }
    }
}

/// What a row names: words of four parts or more, which only a test is called.
fn named(test: &str) -> impl Iterator<Item = &str> {
    let words = test.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.matches('_').count() >= 3)
}

/// What is wrong with a line of the page, if it is a row at all.
fn fault(line: &str, functions: &HashSet<String>) -> Option<String> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let (point, test) = (cells.next()?, cells.next()?);
    if point == "point" || test.starts_with("step `") {
        return None;
    }
    if let Some(missing) = named(test).find(|name| !functions.contains(*name)) {
        return Some(format!("{point}: there is no test {missing}"));
    }
    named(test).next().is_none().then(|| format!("{point}: no test is named"))
}

#[test]
fn every_row_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/regressions.md")).expect("the page");
    let mut found = HashSet::new();
    functions(&root(), &mut found);
    assert!(page.lines().filter(|line| line.starts_with("| ")).count() > 150, "rows are found");
    let faults: Vec<String> = page.lines().filter_map(|line| fault(line, &found)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_row_without_a_test_and_one_whose_test_is_gone_are_faults() {
    let found = HashSet::from(["it_is_seen_again".to_owned()]);
    assert_eq!(fault("| it | `x::it_is_seen_again` | `1` |", &found), None);
    assert_eq!(fault("| it | step `snippets`, a page | `1` |", &found), None);
    assert_eq!(fault("Not a row.", &found), None);
    let gone = ["it_is", "never_seen"].join("_");
    assert_eq!(fault(&format!("| it | `x::{gone}` | `1` |"), &found).unwrap(), format!("it: there is no test {gone}"));
    assert_eq!(fault("| it | `x` (six tests) | `1` |", &found).unwrap(), "it: no test is named");
}
