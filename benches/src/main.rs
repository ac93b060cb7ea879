//! The command behind `cargo xtask bench`.

use std::process::ExitCode;

use benches::cli;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let action = match cli::parse(&args) {
        Ok(action) => action,
        Err(message) => {
            eprintln!("benches: {message}\n\n{}", cli::USAGE);
            return ExitCode::from(2);
        }
    };
    match cli::run(&action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("benches: {message}");
            ExitCode::from(1)
        }
    }
}
