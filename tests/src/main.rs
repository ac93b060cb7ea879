//! The gateway, as the tests start it: what `plugin-manager` is too.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_manager::cli::run()
}
