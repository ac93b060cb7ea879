//! What the judges have said, for people.

use std::fmt::Write as _;

use crate::process::Failure;

/// One check of a judge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) what: String,
    /// Why it does not hold.
    pub(super) fault: Option<String>,
}

/// A judge, and what it said.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Of what it is made with; `None` where that was not there.
    pub(super) version: Option<String>,
    pub(super) checks: Vec<Check>,
}

impl Judged {
    /// Whether a check does not hold, or none was made although it could be.
    pub(super) fn has_failed(&self) -> bool {
        self.version.is_some() && (self.checks.is_empty() || self.checks.iter().any(|check| check.fault.is_some()))
    }

    fn result(&self) -> String {
        let faults = self.checks.iter().filter(|check| check.fault.is_some()).count();
        match &self.version {
            None => "not run".to_owned(),
            Some(_) if self.checks.is_empty() => "FAILED: it checked nothing".to_owned(),
            Some(_) if faults > 0 => format!("FAILED: {faults} of {} checks", self.checks.len()),
            Some(_) => format!("{} checks passed", self.checks.len()),
        }
    }
}

/// Reads a line that a judge printed.
pub(super) fn check(line: &str) -> Option<Check> {
    if let Some(what) = line.strip_prefix("ok ") {
        return Some(Check { what: what.to_owned(), fault: None });
    }
    let (what, fault) = line.strip_prefix("not ok ")?.rsplit_once(": ").unwrap_or((line, ""));
    Some(Check { what: what.to_owned(), fault: Some(fault.to_owned()) })
}

/// One line for each judge.
pub(super) fn summary(results: &[Judged]) -> String {
    results.iter().map(|judged| format!("{}: {}", judged.name, judged.result())).collect::<Vec<_>>().join("\n")
}

pub(super) fn told(summary: &str) -> Result<(), Failure> {
    println!("{summary}");
    Ok(())
}

/// `docs/judges.md`.
pub(super) fn page(results: &[Judged]) -> String {
    let mut page = "# Judges\n\n\
        What programs that others have written say of what is served here, and of what calls from here. Written by \
        `cargo xtask judge --write`; the judges are the scripts in `xtask/judges`.\n\n\
        | judge | | made with | last result |\n|---|---|---|---|\n"
        .to_owned();
    for judged in results {
        let version = judged.version.as_deref().unwrap_or("-");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {} | {version} | {} |", judged.name, judged.about, judged.result());
    }
    for judged in results.iter().filter(|judged| judged.version.is_some()) {
        let _ = writeln!(page, "\n## {}\n", judged.name);
        for check in &judged.checks {
            let _ = match &check.fault {
                None => writeln!(page, "- {}", check.what),
                Some(fault) => writeln!(page, "- **does not hold**: {}: {fault}", check.what),
            };
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(version: Option<&str>, lines: &[&str]) -> Judged {
        let checks = lines.iter().filter_map(|line| check(line)).collect();
        Judged { name: "curl", about: "a client", version: version.map(str::to_owned), checks }
    }

    #[test]
    fn a_line_is_a_check_that_holds_or_one_that_does_not_or_none() {
        assert_eq!(check("ok a: b"), Some(Check { what: "a: b".into(), fault: None }));
        assert_eq!(check("not ok a: b: c"), Some(Check { what: "a: b".into(), fault: Some("c".into()) }));
        assert_eq!(check("Traceback"), None);
    }

    #[test]
    fn what_was_not_run_has_not_passed_and_what_checked_nothing_has_failed() {
        let absent = judged(None, &[]);
        assert_eq!((absent.has_failed(), absent.result().as_str()), (false, "not run"));
        assert!(judged(Some("1"), &[]).has_failed());
        assert!(!judged(Some("1"), &["ok a"]).has_failed());
        let one = judged(Some("1"), &["ok a", "not ok b: no"]);
        assert!(one.has_failed());
        assert_eq!(one.result(), "FAILED: 1 of 2 checks");
        let page = page(&[one, absent]);
        assert!(page.contains("| `curl` | a client | 1 | FAILED: 1 of 2 checks |"), "{page}");
        assert!(page.contains("- **does not hold**: b: no") && page.contains("| - | not run |"), "{page}");
    }
}
