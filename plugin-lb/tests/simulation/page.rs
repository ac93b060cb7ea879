//! `docs/balancing.md` and its pictures: what the tables and the drawings are, and whether those of the repository are
//! these.

use std::{fmt::Write, fs, path::PathBuf};

use crate::{
    plot,
    scenarios::Scenario,
    seen::{Row, Seen},
};

const BEGIN: &str = "<!-- simulated -->\n";
const END: &str = "<!-- end -->\n";

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

/// The files that these runs come to, with what stands in them.
fn files(seen: &[(Scenario, Vec<Row>)]) -> Vec<(PathBuf, String)> {
    let page = docs().join("balancing.md");
    let now = fs::read_to_string(&page).expect("the page");
    let (head, rest) = now.split_once(BEGIN).expect("its beginning");
    let (_, tail) = rest.split_once(END).expect("its end");
    let mut tables = String::new();
    let mut files = Vec::new();
    for (scenario, rows) in seen {
        table(&mut tables, scenario, rows);
        files.push((docs().join(picture(scenario)), plot::svg(scenario, rows)));
    }
    files.push((page, format!("{head}{BEGIN}{tables}{END}{tail}")));
    files
}

/// Holds the page and its pictures to these runs; with `UPDATE_PAGES=1` it writes them.
pub(crate) fn hold(seen: &[(Scenario, Vec<Row>)]) {
    for (path, text) in files(seen) {
        if std::env::var_os("UPDATE_PAGES").is_some() {
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        } else if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            // Elsewhere a logarithm may differ in its last digit, and with it a millisecond of a call.
            let now = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                now == text,
                "{}: `UPDATE_PAGES=1 cargo test -p plugin-lb --test simulation` writes it",
                path.display()
            );
        }
    }
}

fn picture(scenario: &Scenario) -> String {
    format!("images/balancing-{}.svg", scenario.file)
}

fn table(text: &mut String, scenario: &Scenario, rows: &[Row]) {
    let _ =
        writeln!(text, "\n## {}\n\n{}\n\n![{}]({})\n", scenario.name, scenario.about, scenario.name, picture(scenario));
    let who = scenario.odd.map(|(_, who)| who);
    let with = if scenario.fails { " with ejection: p99 | failed | picks |" } else { "" };
    let joins = scenario.world.last_joins.is_some();
    let first = if joins { " calls to its first |" } else { "" };
    let of_odd = who.map(|who| format!(" picks of {who} |")).unwrap_or_default();
    let others = if who.is_some() { "of each other" } else { "picks of each" };
    let head = format!("| strategy | p50 | p99 | failed |{of_odd} {others} |{first}{with}");
    let _ = writeln!(text, "{head}\n{}", "|---".repeat(head.matches('|').count() - 1) + "|");
    for row in rows {
        let seen = &row.without;
        let _ =
            write!(text, "| `{}` | {:.0} ms | {:.0} ms | {} |", row.strategy, seen.p50, seen.p99, percent(seen.failed));
        if who.is_some() {
            let _ = write!(text, " {} |", percent(seen.odd));
        }
        let _ = write!(text, " {} |", range(seen));
        if joins {
            let _ = write!(text, " {} |", seen.until_first);
        }
        if let Some(with) = &row.with {
            let _ = write!(text, " {:.0} ms | {} | {} |", with.p99, percent(with.failed), percent(with.odd));
        }
        text.push('\n');
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn range(seen: &Seen) -> String {
    format!("{:.1} to {:.1} %", 100.0 * seen.least, 100.0 * seen.most)
}
