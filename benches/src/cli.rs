//! The command line: which groups, how many rounds, and whether the results are kept.

use std::path::{Path, PathBuf};

use crate::groups::{CHILD_ARGUMENT, GROUPS, GroupEntry, of_this_run, run_child};
use crate::harness::{Floors, Group, Machine, Plan, Section, lock_versions, merge_results, results_header};
use crate::instructions;

/// What `--help` prints, and what follows a wrong command line.
pub const USAGE: &str = "\
Usage: cargo xtask bench [FILTER] [--quick | --rounds N] [--write]
       cargo xtask bench [FILTER] --check [--write]
       cargo xtask bench --list

  FILTER      only the groups with this in their name
  --rounds N  rounds per row, 31 unless told (at least 3)
  --quick     5 rounds
  --write     replace the sections of these groups in benches/RESULTS.md
  --check     count instructions under valgrind, and compare them with benches/INSTRUCTIONS.md;
              with --write, keep them there
  --list      the groups, without running them";

/// A command line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Print the usage.
    Help,
    /// Print the names of the groups.
    List,
    /// Be the other process of a measurement, of this kind.
    Child(String),
    /// Make the calls whose instructions are counted by the valgrind that this program runs under.
    MakeCountedCalls {
        /// Part of the groups' names; all without one.
        filter: Option<String>,
    },
    /// Count instructions.
    Check {
        /// Part of the groups' names; all without one.
        filter: Option<String>,
        /// Keep the counts in `INSTRUCTIONS.md`.
        write: bool,
    },
    /// Measure.
    Measure {
        /// Part of the groups' names; all without one.
        filter: Option<String>,
        /// How many rounds each row is timed for.
        rounds: usize,
        /// Keep the tables in `RESULTS.md`.
        write: bool,
    },
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
///
/// One sentence that names the argument and what would be right.
pub fn parse(args: &[String]) -> Result<Action, String> {
    let mut filter = None;
    let mut rounds = None;
    let (mut write, mut check, mut make_calls) = (false, false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(Action::Help),
            "--list" => return Ok(Action::List),
            CHILD_ARGUMENT => return Ok(Action::Child(args.next().ok_or("--child needs a kind")?.clone())),
            instructions::ARGUMENT => make_calls = true,
            "--check" => check = true,
            "--quick" => rounds = Some(5),
            "--write" => write = true,
            "--rounds" => {
                let value = args.next().ok_or("--rounds needs a number")?;
                let enough = value.parse().ok().filter(|&rounds| rounds >= Plan::FEWEST_ROUNDS);
                rounds = Some(enough.ok_or_else(|| {
                    format!("--rounds {value}: use a whole number of {} or more", Plan::FEWEST_ROUNDS)
                })?);
            }
            option if option.starts_with('-') => {
                return Err(format!("there is no option `{option}`"));
            }
            _ if filter.is_some() => {
                return Err(format!("one filter at a time: `{arg}` is a second one"));
            }
            _ => filter = Some(arg.clone()),
        }
    }
    if make_calls {
        return Ok(Action::MakeCountedCalls { filter });
    }
    if !check {
        return Ok(Action::Measure { filter, rounds: rounds.unwrap_or(Plan::default().rounds()), write });
    }
    match rounds {
        None => Ok(Action::Check { filter, write }),
        Some(_) => Err("--check counts and has no rounds: leave out --quick and --rounds".to_owned()),
    }
}

/// Does what was asked for, printing to standard output.
///
/// # Errors
///
/// No group matches, a group is put together wrongly, a file of results cannot be read or written, or a call takes more
/// instructions than it took.
pub fn run(action: &Action) -> Result<(), String> {
    match action {
        Action::Help => println!("{USAGE}"),
        Action::List => GROUPS.iter().for_each(|entry| println!("{:16} {}", entry.name, entry.about)),
        Action::Child(kind) => run_child(kind)?,
        Action::MakeCountedCalls { filter } => instructions::make_calls(filter.as_deref())?,
        Action::Check { filter, write } => instructions::check(filter.as_deref(), *write)?,
        Action::Measure { filter, rounds, write } => measure(filter.as_deref(), *rounds, *write)?,
    }
    Ok(())
}

fn measure(filter: Option<&str>, rounds: usize, write: bool) -> Result<(), String> {
    let entries = matching(filter)?;
    if cfg!(debug_assertions) {
        if write {
            return Err("--write needs an optimised build: cargo xtask bench".to_owned());
        }
        println!("A debug build: these figures say nothing.\n");
    }
    let lock_file = workspace_root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock_file).map_err(|error| format!("{}: {error}", lock_file.display()))?;
    let machine = Machine::detect(&workspace_root());
    let plan = Plan::default().with_rounds(rounds);
    println!("{machine}\n");
    let floors = of_this_run()?;
    let mut sections = Vec::new();
    for entry in entries {
        let section = measure_group(entry, &floors, &plan, &machine, &lock)?;
        println!("{}", section.text());
        sections.push(section);
    }
    if write {
        keep(&machine, &sections)?;
    }
    Ok(())
}

fn matching(filter: Option<&str>) -> Result<Vec<&'static GroupEntry>, String> {
    let entries: Vec<_> = GROUPS.iter().filter(|entry| filter.is_none_or(|part| entry.name.contains(part))).collect();
    if entries.is_empty() {
        let names: Vec<_> = GROUPS.iter().map(|entry| entry.name).collect();
        return Err(format!("no group has `{}` in its name: use {}", filter.unwrap_or_default(), names.join(", ")));
    }
    Ok(entries)
}

fn measure_group(
    entry: &GroupEntry,
    floors: &Floors,
    plan: &Plan,
    machine: &Machine,
    lock: &str,
) -> Result<Section, String> {
    let mut peers = Vec::new();
    for &peer in entry.peers {
        let versions = lock_versions(lock, peer);
        if versions.is_empty() {
            return Err(format!("group {}: its peer {peer} is not in Cargo.lock", entry.name));
        }
        peers.push(format!("{peer} {}", versions.join(" and ")));
    }
    let mut group = Group::new(entry.name, entry.about);
    (entry.rows)(&mut group);
    match group.own_table() {
        Some(measure) => Ok(Section::of_table(&group, &measure(plan)?, machine, &peers)),
        None => Ok(Section::new(&group, &group.measure(plan)?, floors, plan, machine, &peers)),
    }
}

fn keep(machine: &Machine, sections: &[Section]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    let existing = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fault(error)),
    };
    let order: Vec<&str> = GROUPS.iter().map(|entry| entry.name).collect();
    let merged = merge_results(&existing, &results_header(machine), sections, &order);
    std::fs::write(&path, merged).map_err(fault)?;
    println!("Kept in {}", path.display());
    Ok(())
}

fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Action, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_arguments_every_group_runs_for_31_rounds_and_nothing_is_kept() {
        assert_eq!(parse_line(""), Ok(Action::Measure { filter: None, rounds: 31, write: false }));
    }

    #[test]
    fn filter_rounds_and_write_are_read_in_any_order() {
        let expected = Action::Measure { filter: Some("bare".into()), rounds: 7, write: true };
        assert_eq!(parse_line("--write --rounds 7 bare"), Ok(expected));
        let quick = Action::Measure { filter: None, rounds: 5, write: false };
        assert_eq!(parse_line("--quick"), Ok(quick));
    }

    #[test]
    fn instructions_are_counted_of_the_same_groups_and_have_no_rounds() {
        assert_eq!(parse_line("--check"), Ok(Action::Check { filter: None, write: false }));
        assert_eq!(
            parse_line("stack --write --check"),
            Ok(Action::Check { filter: Some("stack".into()), write: true })
        );
        assert!(parse_line("--check --quick").unwrap_err().contains("has no rounds"));
        let calls = format!("{} stack", instructions::ARGUMENT);
        assert_eq!(parse_line(&calls), Ok(Action::MakeCountedCalls { filter: Some("stack".into()) }));
    }

    #[test]
    fn a_wrong_command_line_is_told_what_would_be_right() {
        assert!(parse_line("--rounds").unwrap_err().contains("needs a number"));
        assert!(parse_line("--rounds 2").unwrap_err().contains("3 or more"));
        assert!(parse_line("--rounds many").unwrap_err().contains("--rounds many"));
        assert!(parse_line("--fast").unwrap_err().contains("`--fast`"));
        assert!(parse_line("a b").unwrap_err().contains("`b` is a second"));
    }

    #[test]
    fn a_filter_that_matches_nothing_is_told_the_names() {
        let message = matching(Some("nothing-of-the-kind")).unwrap_err();
        assert!(message.contains("bare") && message.contains("floors"), "{message}");
        assert_eq!(matching(Some("floor")).unwrap().len(), 1);
    }
}
