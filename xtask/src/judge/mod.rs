//! `cargo xtask judge`: programs that others have written, against what is served here and what calls from here.
//!
//! A judge is a script in `xtask/judges`, which prints `ok WHAT` or `not ok WHAT: WHY` for each of its checks. One whose
//! program is not there is named, and counts as not run, never as passed.

mod list;
mod place;
mod report;

use list::{JUDGES, Judge};
use place::Place;
use report::{Check, Judged};

use crate::metadata;
use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure, root};

/// Which judges to ask, and whether `docs/judges.md` is to have what they say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JudgeOptions {
    /// All of them when there is none.
    pub(crate) name: Option<String>,
    pub(crate) write: bool,
}

/// Asks the judges, each whatever the one before has said.
pub(crate) fn run(options: &JudgeOptions) -> Result<(), Failure> {
    let names = JUDGES.map(|judge| judge.name);
    if let Some(unknown) = options.name.as_deref().filter(|name| !names.contains(name)) {
        return Err(Failure::new(format!("there is no judge `{unknown}`: use {}", names.join(", "))));
    }
    if options.write && options.name.is_some() {
        return Err(Failure::new("the page has what all judges say: --write goes without a name"));
    }
    prerequisites::ensure(&[Tool::Python, Tool::Node, Tool::CCompiler])?;
    // As the tests build them, so that little is built twice.
    let built = ["build", "--workspace", "--all-features", "--bin", "judged", "--bin", "plugin-manager"];
    Cmd::cargo(built).run()?;
    let place = Place::new(&metadata::target_directory()?);
    place.fill();
    let mut results = Vec::new();
    for judge in JUDGES.iter().filter(|judge| options.name.as_deref().is_none_or(|name| name == judge.name)) {
        println!("==> {}: {}", judge.name, judge.about);
        results.push(ask(judge, &place)?);
    }
    if options.write {
        let page = root().join("docs/judges.md");
        std::fs::write(&page, report::page(&results)).map_err(|error| Failure::new(error.to_string()))?;
    }
    let summary = report::summary(&results);
    if results.iter().any(Judged::has_failed) { Err(Failure::new(summary)) } else { report::told(&summary) }
}

fn ask(judge: &Judge, place: &Place) -> Result<Judged, Failure> {
    let version = match place.version(&judge.with) {
        Ok(version) => version,
        Err(lacks) => {
            println!("not run: `{lacks}` is not there");
            return Ok(Judged { name: judge.name, about: judge.about, version: None, checks: Vec::new() });
        }
    };
    let mut command = place.script(judge);
    let asked = command.output();
    let output = asked.map_err(|error| Failure::new(format!("{}: {error}", judge.name)))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    let mut checks: Vec<Check> = said.lines().filter_map(report::check).collect();
    // A script that broke off has not said all, whatever it said before.
    if !output.status.success() && checks.iter().all(|check| check.fault.is_none()) {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        print!("{error}");
        let last = error.lines().last().unwrap_or_default().to_owned();
        checks.push(Check { what: "the judge comes to its end".to_owned(), fault: Some(last) });
    }
    Ok(Judged { name: judge.name, about: judge.about, version: Some(version), checks })
}
