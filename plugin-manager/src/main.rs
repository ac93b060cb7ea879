//! The program `plugin-manager`.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_manager::cli::run()
}
