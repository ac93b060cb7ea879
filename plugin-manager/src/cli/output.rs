//! Prints to a standard output that may have been closed.

use std::{
    fmt::Display,
    io::{ErrorKind, Write},
};

pub(super) use plugin_core::counted as count;
use plugin_core::on_one_line;
use serde_json::Value;

use super::CommandFault;
use crate::launch::{logging, plain_json, streams};

/// Prints a line to standard output, for a command that is over when it has. A reader that has seen enough, such as `head`, is no
/// failure. A program that goes on takes [`tell`].
pub(super) fn say(line: impl Display) -> Result<(), CommandFault> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CommandFault::Failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// The same of JSON, which moves no cursor either.
pub(super) fn say_json(json: &Value) -> Result<(), CommandFault> {
    say(plain_json(&format!("{json:#}")))
}

/// Prints a line to standard output for a program that goes on: it waits for nobody who reads it, and no fault of whoever does is
/// its own. Were that not so, a pager that stands still or a full disk would stop a gateway, with its signals.
pub(crate) fn tell(line: impl Display) {
    streams::print(format!("{line}\n").as_bytes());
}

/// Prints a line to standard error, as an event where the log is JSON: whoever reads that reads JSON to the end. When nobody reads it there is nobody to tell, and `eprintln!` would panic or wait for
/// ever: Ctrl-C also ends the `tee` that the log goes through, and calls in flight are to finish all the same.
///
/// It is one line, whatever a plugin says in it.
pub(crate) fn note(line: impl Display) {
    if logging::is_json() {
        tracing::info!("{line}");
        return;
    }
    let _ = streams::Stderr.write_all(format!("{}\n", on_one_line(&line.to_string())).as_bytes());
}

/// The same of what is wrong, which may be several lines.
pub(crate) fn complain(lines: impl Display) {
    if logging::is_json() {
        tracing::error!("{lines}");
    } else {
        lines.to_string().lines().for_each(note);
    }
}

/// So many calls, as the subject of a sentence: `1 call was`, `2 calls were`.
pub(super) fn were(calls: u64) -> String {
    format!("{} {}", count(calls, "call"), if calls == 1 { "was" } else { "were" })
}
