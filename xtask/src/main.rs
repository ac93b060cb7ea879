//! The door to the checks: `cargo xtask test | check | tidy | soak | bench | fuzz | judge`.
//!
//! Exit codes: 0 when all passed, 1 when something failed, 2 when the command line was wrong.

mod api;
mod args;
mod bench;
mod check;
mod circles;
#[cfg(test)]
mod claims;
mod examples;
mod fuzz;
mod judge;
mod libraries;
mod metadata;
mod models;
mod prerequisites;
mod process;
mod proto;
#[cfg(test)]
mod regressions;
mod repeats;
mod runner;
mod snippets;
mod soak;
mod source;
mod steps;
mod summary;
mod test;
mod tidy;
#[cfg(test)]
mod timers;
mod words;

use std::process::ExitCode;

use args::{Command, Parsed};

fn main() -> ExitCode {
    if let Some(code) = libraries::as_rustdoc() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let command = match args::parse(&args) {
        Ok(Parsed::Run(command)) => command,
        Ok(Parsed::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(message) => return usage_error(&message),
    };
    match command {
        Command::Test(options) => run_steps(&test::steps(), &options),
        Command::Check(options) => run_steps(&check::steps(), &options),
        Command::Tidy(options) => run_steps(&tidy::steps(), &options),
        Command::Soak { filter } => finish(soak::run(filter.as_deref())),
        Command::Bench { args } => finish(bench::run(&args)),
        Command::Fuzz(options) => finish(fuzz::run(&options)),
        Command::Judge(options) => finish(judge::run(&options)),
    }
}

fn run_steps(steps: &[runner::Step], options: &args::StepOptions) -> ExitCode {
    if options.list {
        print!("{}", runner::list(steps));
        return ExitCode::SUCCESS;
    }
    match runner::select(steps, options) {
        Ok(selected) => runner::run(&selected),
        Err(message) => usage_error(&message),
    }
}

fn finish(result: Result<(), process::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(1)
        }
    }
}

fn usage_error(message: &str) -> ExitCode {
    eprintln!("xtask: {message}\n\n{}", args::USAGE);
    ExitCode::from(2)
}
