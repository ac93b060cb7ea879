//! Runs steps in order, stops at the first failure, and closes with a summary.

use std::cell::OnceCell;
use std::process::ExitCode;
use std::time::Instant;

use crate::args::StepOptions;
use crate::libraries::{self, Libraries};
use crate::prerequisites::Tool;
use crate::process::Failure;
use crate::summary::{self, Line, Outcome};

/// One of the checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What must be on the machine.
    pub(crate) needs: &'static [Tool],
    /// Returns the line that is worth repeating at the very end, if it has one.
    pub(crate) run: fn(&Context) -> Result<Option<String>, Failure>,
}

/// What a step may know of the run that it is part of.
#[derive(Debug)]
pub(crate) struct Context {
    /// What the steps of this run need.
    pub(crate) tools: Vec<Tool>,
    libraries: OnceCell<Libraries>,
}

impl Context {
    /// What the libraries offer, read for the first step that asks: cargo writes it anew each time, and it takes a while.
    pub(crate) fn libraries(&self) -> Result<&Libraries, Failure> {
        if let Some(libraries) = self.libraries.get() {
            return Ok(libraries);
        }
        let libraries = libraries::load()?;
        Ok(self.libraries.get_or_init(|| libraries))
    }
}

/// The steps that the options leave, in their order.
///
/// # Errors
///
/// A name that is no step, or options that leave nothing.
pub(crate) fn select(steps: &[Step], options: &StepOptions) -> Result<Vec<Step>, String> {
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    if let Some(unknown) = options.only.iter().chain(&options.skip).find(|name| !names.contains(&name.as_str())) {
        return Err(format!("there is no step `{unknown}`: use {}", names.join(", ")));
    }
    let has = |list: &[String], step: &Step| list.iter().any(|name| name == step.name);
    let selected: Vec<Step> = steps
        .iter()
        .filter(|step| (options.only.is_empty() || has(&options.only, step)) && !has(&options.skip, step))
        .copied()
        .collect();
    if selected.is_empty() {
        return Err("--only and --skip together leave no step".to_owned());
    }
    Ok(selected)
}

/// What `--list` prints.
pub(crate) fn list(steps: &[Step]) -> String {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    steps.iter().map(|step| format!("{:width$}  {}\n", step.name, step.about)).collect()
}

/// Runs the steps, prints the summary, and says with the exit code whether all passed.
pub(crate) fn run(steps: &[Step]) -> ExitCode {
    let context = Context { tools: tools_of(steps), libraries: OnceCell::new() };
    let begun = now();
    let mut lines: Vec<Line> = steps.iter().map(|step| Line { name: step.name, outcome: Outcome::NotRun }).collect();
    let mut closing_lines = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("\n==> [{}/{}] {}: {}", index + 1, steps.len(), step.name, step.about);
        let step_begun = now();
        let result = (step.run)(&context);
        let took = step_begun.elapsed();
        match result {
            Ok(closing_line) => {
                println!("==> {} passed in {}", step.name, summary::duration(took));
                lines[index].outcome = Outcome::Passed(took);
                closing_lines.extend(closing_line);
            }
            Err(failure) => {
                lines[index].outcome = Outcome::Failed(took);
                println!("\n{}", summary::table(&lines));
                println!("xtask: step `{}` failed after {}", step.name, summary::duration(took));
                println!("{failure}");
                return ExitCode::from(1);
            }
        }
    }
    println!("\n{}", summary::table(&lines));
    closing_lines.iter().for_each(|line| println!("{line}"));
    println!("{}", summary::all_passed(steps.len(), begun.elapsed()));
    ExitCode::SUCCESS
}

/// What the steps need, each once. A run that has no needs of its own checks on everything (`--only prerequisites`).
fn tools_of(steps: &[Step]) -> Vec<Tool> {
    let needed: Vec<Tool> =
        Tool::ALL.into_iter().filter(|tool| steps.iter().any(|step| step.needs.contains(tool))).collect();
    if needed.is_empty() { Tool::ALL.to_vec() } else { needed }
}

#[expect(clippy::disallowed_methods, reason = "xtask times real work and depends on no member")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, needs: &'static [Tool]) -> Step {
        Step { name, about: "about", needs, run: |_| Ok(None) }
    }

    fn steps() -> Vec<Step> {
        vec![step("fmt", &[Tool::Rustfmt]), step("clippy", &[Tool::Clippy, Tool::CCompiler]), step("docs", &[])]
    }

    fn names(options: &StepOptions) -> Result<Vec<&'static str>, String> {
        Ok(select(&steps(), options)?.iter().map(|step| step.name).collect())
    }

    fn options(only: &[&str], skip: &[&str]) -> StepOptions {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        StepOptions { list: false, only: owned(only), skip: owned(skip) }
    }

    #[test]
    fn without_options_every_step_is_selected() {
        assert_eq!(names(&options(&[], &[])).unwrap(), ["fmt", "clippy", "docs"]);
    }

    #[test]
    fn only_keeps_the_order_of_the_steps() {
        assert_eq!(names(&options(&["docs", "fmt"], &[])).unwrap(), ["fmt", "docs"]);
    }

    #[test]
    fn skip_takes_away_from_what_only_left() {
        assert_eq!(names(&options(&[], &["clippy"])).unwrap(), ["fmt", "docs"]);
        assert_eq!(names(&options(&["docs", "fmt"], &["docs"])).unwrap(), ["fmt"]);
    }

    #[test]
    fn an_unknown_step_is_named_with_those_that_exist() {
        let message = names(&options(&[], &["doc"])).unwrap_err();
        assert_eq!(message, "there is no step `doc`: use fmt, clippy, docs");
    }

    #[test]
    fn a_selection_that_leaves_nothing_is_an_error() {
        assert!(names(&options(&["fmt"], &["fmt"])).unwrap_err().contains("leave no step"));
    }

    #[test]
    fn each_tool_is_asked_for_once_and_only_where_it_is_needed() {
        assert_eq!(tools_of(&steps()), [Tool::CCompiler, Tool::Rustfmt, Tool::Clippy]);
        assert_eq!(tools_of(&[step("prerequisites", &[])]), Tool::ALL);
    }

    #[test]
    fn the_list_is_aligned() {
        assert_eq!(list(&steps()), "fmt     about\nclippy  about\ndocs    about\n");
    }
}
