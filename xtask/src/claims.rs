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

/// The rows of the table: page, claim, test. A heading names the page of those beneath it.
fn rows(table: &str) -> Vec<(&str, &str, &str)> {
    let (mut page, mut rows) = ("", Vec::new());
    for line in table.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            page = heading;
        }
        let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')?.rsplit_once(" | "));
        if let Some((claim, test)) = cells.filter(|(claim, _)| *claim != "claim") {
            rows.push((page, claim, test.trim().trim_matches('`')));
        }
    }
    rows
}

/// What is wrong with a row.
fn fault(page: &str, text: &str, claim: &str, test: &str) -> Option<String> {
    if !text.contains(&in_one_line(claim)) {
        return Some(format!("{page} does not say: {claim}"));
    }
    let Some((file, name)) = test.rsplit_once("::") else { return Some(format!("{test} is not `file::name`")) };
    let code = fs::read_to_string(root().join(file)).unwrap_or_default();
    let function = format!("fn {name}(");
    let Some((before, _)) = code.split_once(&function) else { return Some(format!("there is no test {test}")) };
    let attributes = before.rsplit('}').next().unwrap_or_default();
    (!attributes.contains("test]") && !attributes.contains("test(")).then(|| format!("{test} is no test"))
}

#[test]
fn every_claim_stands_on_its_page_and_its_test_exists() {
    let table = read(&root().join("docs/claims.md"));
    let rows = rows(&table);
    for page in ["README.md", "ARCHITECTURE.md", "plugin-core/README.md", "plugin-manager/README.md"] {
        let claims = rows.iter().filter(|row| row.0 == page).count();
        assert!(claims >= 10, "{claims} claims of {page} were found");
    }
    let text = |page: &str| in_one_line(&read(&root().join(page)));
    let faults: Vec<String> =
        rows.iter().filter_map(|(page, claim, test)| fault(page, &text(page), claim, test)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_claim_that_is_gone_and_a_test_that_is_none_are_faults() {
    let test = "xtask/src/claims.rs::a_claim_that_is_gone_and_a_test_that_is_none_are_faults";
    assert_eq!(fault("A.md", "It holds.", "It holds", test), None);
    assert_eq!(fault("A.md", "It holds.", "It flies", test).unwrap(), "A.md does not say: It flies");
    let missing = ["xtask/src/claims.rs", "nothing_of_that_name"].join("::");
    assert_eq!(fault("A.md", "It holds.", "It holds", &missing).unwrap(), format!("there is no test {missing}"));
    let helper = "xtask/src/claims.rs::in_one_line";
    assert_eq!(fault("A.md", "It holds.", "It holds", helper).unwrap(), format!("{helper} is no test"));
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
