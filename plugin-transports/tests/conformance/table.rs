//! The table of `ARCHITECTURE.md` is that of the cases: `UPDATE_PAGES=1` writes it.

use std::{collections::BTreeMap, fmt::Write, fs};

use plugin_transports::conformance::CASES;

const BEGIN: &str = "<!-- what holds for every transport: written by the test `conformance table` -->\n";
const END: &str = "<!-- end -->\n";

fn table() -> String {
    let rows = crate::rows();
    let names: Vec<_> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = format!("The {} rows: {}.\n\n", rows.len(), names.join("; "));
    text.push_str("| what holds | case | where it does not, and why |\n|---|---|---|\n");
    for case in CASES {
        // By reason, since several transports have the same.
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, lacks) in &rows {
            for (_, why) in lacks.iter().filter(|(ability, _)| case.needs == Some(*ability)) {
                reasons.entry(why).or_default().push(name);
            }
        }
        let differs: Vec<_> = reasons.iter().map(|(why, names)| format!("{}: {why}", names.join("; "))).collect();
        let _ = writeln!(text, "| {} | `{}` | {} |", case.holds, case.name, differs.join(". "));
    }
    text
}

#[test]
fn the_table_of_what_holds_is_that_of_the_cases() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let page = fs::read_to_string(path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the place of the table");
    let (written, after) = rest.split_once(END).expect("its end");
    let table = table();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("a page that can be written");
    } else {
        assert!(written == table, "ARCHITECTURE.md has another table: run this test with UPDATE_PAGES=1");
    }
}
