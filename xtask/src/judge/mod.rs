//! `cargo xtask judge`: programs that others have written, against what is served here and what calls from here.
//!
//! A judge is a script in `xtask/judges`, which prints `ok WHAT` or `not ok WHAT: WHY` for each of its checks. One whose
//! program is not there is named, and counts as not run, never as passed.

mod report;

use std::path::Path;
use std::process::Command;

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

/// A script, and what it is made with.
struct Judge {
    name: &'static str,
    about: &'static str,
    /// The program, or the package of Python, without which it is not run.
    with: Maker,
}

enum Maker {
    Program(&'static str),
    Python(&'static str),
}

const JUDGES: [Judge; 5] = [
    Judge { name: "curl", about: "curl as a client", with: Maker::Program("curl") },
    Judge { name: "h2load", about: "h2load as a client, many calls at once", with: Maker::Program("h2load") },
    Judge { name: "hostile_frames", about: "frames that no client should send", with: Maker::Python("h2") },
    Judge { name: "hostile_peers", about: "servers that do what none should", with: Maker::Python("h2") },
    Judge { name: "tls", about: "sslyze on a listener of TLS", with: Maker::Python("sslyze") },
];

/// Asks the judges, each whatever the one before has said.
pub(crate) fn run(options: &JudgeOptions) -> Result<(), Failure> {
    let names = JUDGES.map(|judge| judge.name);
    if let Some(unknown) = options.name.as_deref().filter(|name| !names.contains(name)) {
        return Err(Failure::new(format!("there is no judge `{unknown}`: use {}", names.join(", "))));
    }
    if options.write && options.name.is_some() {
        return Err(Failure::new("the page has what all judges say: --write goes without a name"));
    }
    prerequisites::ensure(&[Tool::Python, Tool::CCompiler])?;
    Cmd::cargo(["build", "--package", "plugin-transports", "--all-features", "--bin", "judged"]).run()?;
    let target = metadata::target_directory()?;
    let (judged, python) = (target.join("debug/judged"), target.join("judges/bin/python"));
    packages(&target.join("judges"), &python);
    let mut results = Vec::new();
    for judge in JUDGES.iter().filter(|judge| options.name.as_deref().is_none_or(|name| name == judge.name)) {
        println!("==> {}: {}", judge.name, judge.about);
        results.push(ask(judge, &judged, &python)?);
    }
    if options.write {
        let page = root().join("docs/judges.md");
        std::fs::write(&page, report::page(&results)).map_err(|error| Failure::new(error.to_string()))?;
    }
    let summary = report::summary(&results);
    if results.iter().any(Judged::has_failed) { Err(Failure::new(summary)) } else { report::told(&summary) }
}

/// What the judges in Python need, in a place of its own. Where that cannot be had they are not run.
fn packages(home: &Path, python: &Path) {
    let home = home.display().to_string();
    let made = Cmd::new("python3", ["-m", "venv", &home]).run().and_then(|()| {
        let install = ["-m", "pip", "install", "--quiet", "--requirement", "xtask/judges/requirements.txt"];
        Cmd::new(&python.display().to_string(), install).run()
    });
    if let Err(failure) = made {
        println!("{failure}");
    }
}

/// The version of what a judge is made with; `None` where it is not there.
fn version(with: &Maker, python: &str) -> Option<String> {
    let said = match with {
        Maker::Program(name) => Cmd::new(name, ["--version"]).answer()?,
        Maker::Python(name) => {
            let code = format!("import importlib.metadata as m; print('{name}', m.version('{name}'))");
            Cmd::new(python, ["-c", &code]).answer()?
        }
    };
    // curl lists its libraries behind its own.
    said.lines().next().map(|line| line.split(" (").next().unwrap_or(line).to_owned())
}

fn ask(judge: &Judge, judged: &Path, python: &Path) -> Result<Judged, Failure> {
    let python = python.display().to_string();
    let Some(version) = version(&judge.with, &python) else {
        let (Maker::Program(lacks) | Maker::Python(lacks)) = judge.with;
        println!("not run: `{lacks}` is not there");
        return Ok(Judged { name: judge.name, about: judge.about, version: None, checks: Vec::new() });
    };
    let program = match judge.with {
        Maker::Program(_) => "python3",
        Maker::Python(_) => &python,
    };
    let script = root().join(format!("xtask/judges/{}.py", judge.name));
    let asked = Command::new(program).arg(&script).env("JUDGED", judged).output();
    let output = asked.map_err(|error| Failure::new(format!("{}: {error}", script.display())))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    let mut checks: Vec<Check> = said.lines().filter_map(report::check).collect();
    // A script that broke off has not said all, whatever it said before.
    if !output.status.success() && checks.iter().all(|check| check.fault.is_none()) {
        let last = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        checks.push(Check { what: "the judge comes to its end".to_owned(), fault: Some(last) });
    }
    Ok(Judged { name: judge.name, about: judge.about, version: Some(version), checks })
}
