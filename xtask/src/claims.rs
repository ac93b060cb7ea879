//! What the pages promise has a test that holds it: `docs/claims.md` says which.

use std::fs;
use std::path::Path;

use crate::process::root;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// With every run of white space as one space: where a line is broken is no difference.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The claims and their tests, out of the rows of a table.
fn rows(table: &str) -> Vec<(&str, &str)> {
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|')?.rsplit_once(" | "));
    cells.filter(|(claim, _)| *claim != "claim").map(|(claim, test)| (claim, test.trim().trim_matches('`'))).collect()
}

/// What is wrong with a row.
fn fault(readme: &str, claim: &str, test: &str) -> Option<String> {
    if !readme.contains(&in_one_line(claim)) {
        return Some(format!("the README does not say: {claim}"));
    }
    let Some((file, name)) = test.rsplit_once("::") else { return Some(format!("{test} is not `file::name`")) };
    let code = fs::read_to_string(root().join(file)).unwrap_or_default();
    let function = format!("fn {name}(");
    let Some((before, _)) = code.split_once(&function) else { return Some(format!("there is no test {test}")) };
    let attributes = before.rsplit('}').next().unwrap_or_default();
    (!attributes.contains("test]") && !attributes.contains("test(")).then(|| format!("{test} is no test"))
}

#[test]
fn every_claim_stands_in_the_readme_and_its_test_exists() {
    let readme = in_one_line(&read(&root().join("README.md")));
    let table = read(&root().join("docs/claims.md"));
    let rows = rows(&table);
    assert!(rows.len() >= 20, "{} claims were found", rows.len());
    let faults: Vec<String> = rows.iter().filter_map(|(claim, test)| fault(&readme, claim, test)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_claim_that_is_gone_and_a_test_that_is_none_are_faults() {
    let test = "xtask/src/claims.rs::a_claim_that_is_gone_and_a_test_that_is_none_are_faults";
    assert_eq!(fault("It holds.", "It holds", test), None);
    assert_eq!(fault("It holds.", "It flies", test).unwrap(), "the README does not say: It flies");
    let missing = ["xtask/src/claims.rs", "nothing_of_that_name"].join("::");
    assert_eq!(fault("It holds.", "It holds", &missing).unwrap(), format!("there is no test {missing}"));
    let helper = "xtask/src/claims.rs::in_one_line";
    assert_eq!(fault("It holds.", "It holds", helper).unwrap(), format!("{helper} is no test"));
}

#[test]
fn each_concern_crate_names_check_and_offers_the_features_of_core_alike() {
    for name in ["breaker", "retry", "ratelimit", "health", "lb"] {
        let directory = root().join(format!("plugin-{name}"));
        let page = read(&directory.join("README.md"));
        assert!(page.contains(&format!("plugin_{name}::plugin_core::check")), "the page of {name}");
        let library = read(&directory.join("src/lib.rs"));
        assert!(library.contains("\npub use plugin_core;\n"), "plugin-{name} re-exports plugin_core");
        let manifest = read(&directory.join("Cargo.toml"));
        for feature in ["http", "grpc", "axum", "tonic", "channel", "hyper", "buffer", "serde"] {
            let declared = manifest.lines().find(|line| line.starts_with(&format!("{feature} = [")));
            let passes_on = declared.is_some_and(|line| line.contains(&format!("\"plugin-core/{feature}\"")));
            assert!(passes_on, "plugin-{name} passes `{feature}` on: {declared:?}");
            let full = manifest.lines().find(|line| line.starts_with("full = [")).unwrap_or_default();
            assert!(full.contains(&format!("\"{feature}\"")), "`full` of plugin-{name} has `{feature}`");
        }
    }
}
