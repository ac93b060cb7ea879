//! The command line.

mod ages;
mod answer;
mod args;
mod certificates;
mod demo;
mod detail;
mod early_answers;
mod finish;
mod gateway_url;
mod limits;
mod local;
mod manual;
mod outcome;
mod output;
mod plugin_trouble;
mod remote;
mod runtime;
mod signals;
mod slow_read;
mod table;
mod values;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::launch::logging;
use args::{Args, Before, Client, Command};
pub(crate) use finish::finish;
pub(crate) use outcome::{CommandFault, Outcome};
pub(crate) use output::tell;
pub(crate) use signals::StopSignals;
pub(crate) use table::columns;

/// How long the end waits for a standard error that nobody reads.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the program: reads the arguments, does what they say, and gives back the exit code.
///
/// 0: it worked. 1: it did not. 2: the arguments or the configuration are wrong.
#[must_use]
pub fn run() -> ExitCode {
    // Also at the end by a panic.
    let _log = logging::FlushOnDrop(LAST_WORDS);
    let Args { before, command } = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let (json, result) = match command {
        Command::Call(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::call(remote, &what))
        }
        Command::Status(Client { reach, .. }) => remote::run(reach.resolve(before), remote::status),
        Command::Plugins(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::plugins(remote, &what))
        }
        Command::Health(Client { reach, .. }) => remote::run(reach.resolve(before), remote::health),
        Command::Drain(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::drain(remote, &what))
        }
        Command::Restart(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::operate(remote, &what, "restart"))
        }
        Command::Enable(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::operate(remote, &what, "enable"))
        }
        Command::Disable(Client { what, reach }) => {
            remote::run(reach.resolve(before), |remote| remote::operate(remote, &what, "disable"))
        }
        Command::Validate(mut validate) => {
            validate.json |= before.json();
            (validate.json, only(&before, &["--json"]).and_then(|()| local::validate(&validate)))
        }
        other => (false, only(&before, &[]).and_then(|()| here(other))),
    };
    match result {
        Ok(code) => code,
        // To where the answer would have gone: what reads it reads JSON whatever happens.
        Err(problem) if json => match output::say_json(&problem.document()) {
            Ok(()) => problem.exit_code(),
            Err(problem) => problem.exit_code(),
        },
        Err(problem) => {
            output::complain(format_args!("plugin-manager: {problem}"));
            problem.exit_code()
        }
    }
}

/// Arguments that are wrong, or a page of help. Who asks for JSON has not been understood, and reads JSON all the same.
fn usage(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).take_while(|word| word != "--").collect();
    if error.use_stderr() && words.iter().any(|word| word == "--json") {
        let problem = CommandFault::Wrong(error.render().to_string().trim_end().to_owned());
        return match output::say_json(&problem.document()) {
            Ok(()) => problem.exit_code(),
            Err(problem) => problem.exit_code(),
        };
    }
    // A reader who has left is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Refuses what was said before a command that has no use for it.
fn only(before: &Before, known: &[&str]) -> Result<(), CommandFault> {
    let Some(flag) = before.given().into_iter().find(|flag| !known.contains(flag)) else { return Ok(()) };
    let commands = "call, status, plugins, health, drain, restart, enable and disable";
    Err(CommandFault::Wrong(format!("{flag} is for the commands that talk to a running gateway: {commands}")))
}

/// Commands that talk to no gateway.
fn here(command: Command) -> Outcome {
    match command {
        Command::Demo(demo) => local::demo(&demo),
        Command::Run(run) => local::run(&run),
        Command::Schema(schema) => local::schema(&schema),
        Command::Config(config) => local::config(&config),
        Command::Completions(completions) => local::completions(completions.shell),
        Command::Man => local::man(),
        Command::Plugin(plugin) => local::plugin(&plugin),
        other => Err(CommandFault::Wrong(format!("{other:?} needs a gateway"))),
    }
}
