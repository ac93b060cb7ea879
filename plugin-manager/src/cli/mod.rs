//! The command line.

mod args;
mod demo;
mod local;
mod output;
mod remote;
mod signals;
mod table;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::launch::logging;
use args::{Args, Command};
pub(crate) use local::finish;
pub(crate) use output::say;
pub(crate) use signals::StopSignals;

/// How long the end waits for a standard error that nobody reads.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the program: reads the arguments, does what they say, and gives back the exit code.
///
/// 0: it worked. 1: it did not. 2: the arguments or the configuration are wrong.
#[must_use]
pub fn run() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        Command::Demo(demo) => local::demo(&demo),
        Command::Run(run) => local::run(&run),
        Command::Validate(validate) => local::validate(&validate),
        Command::Schema(schema) => local::schema(&schema),
        Command::Config(config) => local::config(&config),
        Command::Call(call) => remote::call(&args.remote, &call),
        Command::Status => remote::status(&args.remote),
        Command::Plugins => remote::plugins(&args.remote),
        Command::Health => remote::health(&args.remote),
        Command::Drain(drain) => remote::drain(&args.remote, &drain),
        Command::Restart(name) => remote::restart(&args.remote, &name),
        Command::Enable(name) => remote::switch(&args.remote, &name, true),
        Command::Disable(name) => remote::switch(&args.remote, &name, false),
        Command::Plugin(plugin) => local::plugin(&plugin),
    };
    let code = match result {
        Ok(code) => code,
        Err(problem) => {
            output::note(format_args!("plugin-manager: {problem}"));
            problem.exit_code()
        }
    };
    logging::flush(LAST_WORDS);
    code
}

/// Why a command did not work.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Something outside: a gateway that does not answer, a file that cannot be read.
    Failed(String),
    /// The arguments or the configuration.
    Wrong(String),
}

impl Problem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Wrong(_) => ExitCode::from(2),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(text) | Self::Wrong(text) => f.write_str(text),
        }
    }
}

pub(crate) type Outcome = Result<ExitCode, Problem>;
