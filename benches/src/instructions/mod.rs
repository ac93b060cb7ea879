//! `cargo xtask bench --check`: instructions per call, which tell of a lost inline or a new lock on a busy machine too.
//!
//! This program starts itself under valgrind, and makes the calls of the rows that [`COUNTED`] names.

mod compare;
mod dump;
mod kept;

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use compare::{Compared, Verdict, table};
use dump::Cost;
use kept::{Kept, Row, Tools};

use crate::{
    groups::{COUNTED, CountedRows, GROUPS},
    harness::{self, Group, rustc_version},
};

/// The argument that makes this program make the calls that are counted.
pub const ARGUMENT: &str = "--make-counted-calls";

/// Counts the rows of the groups with `filter` in their name, and compares them with what was kept, or keeps them.
///
/// # Errors
///
/// A row takes more than it took, or is new; or nothing can be counted or compared, and why.
pub fn check(filter: Option<&str>, write: bool) -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("--check needs an optimised build: cargo xtask bench --check".to_owned());
    }
    let valgrind = valgrind_version()?;
    // Sums go over as many stripes as there are processors.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let arch = format!("{} with {processors} processors", std::env::consts::ARCH);
    let tools = Tools { arch, rustc: rustc_version(), valgrind };
    let rows = count(filter)?;
    let kept = read_kept()?;
    let before: &[Row] = kept.as_ref().map_or(&[], |kept| &kept.rows);
    let compared: Vec<Compared<'_>> = rows.iter().map(|row| Compared::new(row, before)).collect();
    println!("{tools}\n\n{}", table(&compared));
    if write {
        return keep(Kept { tools, rows: merged(rows, before) });
    }
    let kept = kept.ok_or("nothing is kept to compare with: cargo xtask bench --check --write")?;
    judge(&compared, &tools, &kept.tools)
}

/// Makes the calls that are counted.
///
/// # Errors
///
/// No group matches, or a row is not there.
pub fn make_calls(filter: Option<&str>) -> Result<(), String> {
    for CountedRows { group, rows } in chosen(filter)? {
        let entry = GROUPS.iter().find(|entry| entry.name == *group);
        let entry = entry.ok_or_else(|| format!("`{group}`, whose rows are to be counted, is no group"))?;
        let mut group = Group::new(entry.name, entry.about);
        (entry.rows)(&mut group);
        group.make_counted_calls(rows)?;
    }
    Ok(())
}

fn chosen(filter: Option<&str>) -> Result<Vec<&'static CountedRows>, String> {
    let chosen: Vec<_> = COUNTED.iter().filter(|rows| filter.is_none_or(|part| rows.group.contains(part))).collect();
    if chosen.is_empty() {
        let names: Vec<_> = COUNTED.iter().map(|rows| rows.group).collect();
        let filter = filter.unwrap_or_default();
        return Err(format!("no group that is counted has `{filter}` in its name: use {}", names.join(", ")));
    }
    Ok(chosen)
}

fn valgrind_version() -> Result<String, String> {
    let remedy = "--check counts with valgrind: install it (on Debian and Ubuntu: sudo apt-get install valgrind)";
    let answer = Command::new("valgrind").arg("--version").output();
    let answer = answer.map_err(|error| format!("`valgrind` cannot be started ({error}). {remedy}"))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let version = text.trim().trim_start_matches("valgrind-");
    if !answer.status.success() || version.is_empty() {
        return Err(format!("`valgrind --version` ends with {}. {remedy}", answer.status));
    }
    Ok(version.to_owned())
}

/// Runs this program under valgrind and reads what it took.
fn count(filter: Option<&str>) -> Result<Vec<Row>, String> {
    let names: Vec<(&str, &str)> =
        chosen(filter)?.iter().flat_map(|CountedRows { group, rows }| rows.iter().map(|row| (*group, *row))).collect();
    println!("Counting {} rows under valgrind.", names.len());
    let dir = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let own = std::env::current_exe().map_err(|error| format!("this program does not know its own path: {error}"))?;
    let mut command = Command::new("valgrind");
    command.args(harness::VALGRIND).arg(format!("--callgrind-out-file={}", dir.path().join("counts").display()));
    command.arg(own).arg(ARGUMENT).args(filter);
    let output = command.output().map_err(|error| format!("`valgrind` cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the calls under valgrind ended with {}:\n{}", output.status, said.trim_end()));
    }
    let read = |(number, (group, name)): (usize, &(&str, &str))| {
        // The first file is of the first row. What was done after the last has one without a number.
        let path = dir.path().join(format!("counts.{}", number + 1));
        let cost = text_of(&path).and_then(|text| Cost::read(&text, harness::COUNTED));
        let cost = cost.map_err(|fault| format!("the counts of `{name}` in the group {group}: {fault}"))?;
        Ok(Row { group: (*group).to_owned(), name: (*name).to_owned(), cost })
    };
    names.iter().enumerate().map(read).collect()
}

fn text_of(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("INSTRUCTIONS.md")
}

fn read_kept() -> Result<Option<Kept>, String> {
    let path = file();
    match std::fs::read_to_string(&path) {
        Ok(text) => Kept::read(&text).map(Some).map_err(|fault| format!("{}: {fault}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn keep(kept: Kept) -> Result<(), String> {
    let path = file();
    std::fs::write(&path, kept.text()).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("Kept in {}", path.display());
    Ok(())
}

/// The rows that were counted, and those of `before` that were not and still are; in the order of [`COUNTED`].
fn merged(rows: Vec<Row>, before: &[Row]) -> Vec<Row> {
    let names = COUNTED.iter().flat_map(|counted| counted.rows.iter().map(|row| (counted.group, *row)));
    let of = |row: &&Row, (group, name): (&str, &str)| row.group == group && row.name == name;
    names.filter_map(|name| rows.iter().chain(before).find(|row| of(row, name)).cloned()).collect()
}

/// Says what has changed, and fails where a row takes more, or has nothing to be compared with.
fn judge(compared: &[Compared<'_>], now: &Tools, before: &Tools) -> Result<(), String> {
    if now.arch != before.arch {
        return Err(format!("counts of {} are no measure for {}: they were kept on {before}", before.arch, now.arch));
    }
    let is_failure = |row: &&Compared<'_>| matches!(row.verdict(), Verdict::More | Verdict::New);
    let told = compared.iter().filter(|row| !is_failure(row)).filter_map(Compared::sentence);
    told.for_each(|sentence| println!("{sentence}"));
    let mut faults: Vec<String> = compared.iter().filter(is_failure).filter_map(Compared::sentence).collect();
    if faults.is_empty() {
        println!("Every call takes what it took, or less.");
        return Ok(());
    }
    if now != before {
        faults.push(format!("The counts were kept with {before}; these are of {now}, which may be why they differ."));
    }
    Err(faults.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(arch: &str, rustc: &str) -> Tools {
        Tools { arch: arch.to_owned(), rustc: rustc.to_owned(), valgrind: "3.19.0".to_owned() }
    }

    fn row(name: &str, instructions: f64) -> Row {
        Row { group: "breaker".to_owned(), name: name.to_owned(), cost: Cost { instructions, atomics: 1.0 } }
    }

    #[test]
    fn every_row_that_is_counted_is_there() {
        for CountedRows { group, rows } in COUNTED {
            let entry = GROUPS.iter().find(|entry| entry.name == *group).expect("a group");
            let mut group = Group::new(entry.name, entry.about);
            (entry.rows)(&mut group);
            for row in *rows {
                assert!(group.has_row(row), "{}: {row}", entry.name);
            }
        }
    }

    #[test]
    fn rows_that_take_more_or_are_new_fail_all_together_and_those_that_take_less_do_not() {
        let kept = [row("a", 100.0), row("b", 100.0), row("c", 100.0)];
        let now = [row("a", 120.0), row("b", 80.0), row("c", 101.0), row("d", 7.0)];
        let compared: Vec<_> = now.iter().map(|row| Compared::new(row, &kept)).collect();
        let same = tools("x86_64", "1.95.0");
        let fault = judge(&compared, &same, &same).unwrap_err();
        assert_eq!(fault.lines().count(), 2, "{fault}");
        assert!(fault.contains("`a`") && fault.contains("`d`"), "{fault}");
        assert_eq!(judge(&compared[1..3], &same, &same), Ok(()));
    }

    #[test]
    fn other_tools_are_named_beside_a_difference_and_another_processor_is_no_comparison() {
        let kept = [row("a", 100.0)];
        let now = [row("a", 120.0)];
        let compared: Vec<_> = now.iter().map(|row| Compared::new(row, &kept)).collect();
        let (old, new) = (tools("x86_64", "1.91.0"), tools("x86_64", "1.95.0"));
        assert!(judge(&compared, &new, &old).unwrap_err().contains("kept with x86_64, rustc 1.91.0"));
        assert!(judge(&compared, &tools("aarch64", "1.95.0"), &new).unwrap_err().contains("no measure for aarch64"));
    }

    #[test]
    fn rows_of_other_groups_are_kept_and_those_that_nobody_counts_any_more_are_not() {
        let counted = &COUNTED[0];
        let of = |group: &str, name: &str, instructions| Row { group: group.to_owned(), ..row(name, instructions) };
        let before =
            [of(counted.group, counted.rows[0], 1.0), of(counted.group, counted.rows[1], 2.0), row("gone", 3.0)];
        let merged = merged(vec![of(counted.group, counted.rows[1], 5.0)], &before);
        assert_eq!(merged, [of(counted.group, counted.rows[0], 1.0), of(counted.group, counted.rows[1], 5.0)]);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_told_the_groups() {
        let fault = chosen(Some("transports")).unwrap_err();
        assert!(fault.contains("`transports`") && fault.contains("breaker"), "{fault}");
    }
}
