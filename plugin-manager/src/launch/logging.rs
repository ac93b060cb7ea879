//! Where the log goes.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Writes the log to standard error, as text or as one JSON object per line. `directives` are those of
/// `tracing_subscriber::EnvFilter`, such as `info,plugin_manager=debug`.
///
/// The first call in a process counts; the result says whether it was this one.
pub fn init(directives: &str, format: LogFormat) -> bool {
    let filter = EnvFilter::builder().parse_lossy(directives);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // They would be told of by `eprintln!`, which panics when standard error is what is gone.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Json => log.json().flatten_event(true).try_init().is_ok(),
        _ => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init().is_ok(),
    }
}
