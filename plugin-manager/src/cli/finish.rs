//! The end of a gateway that was told to stop.

use std::process::ExitCode;

use plugin_core::rounded;

use super::{
    Outcome,
    output::{complain, count, note},
    signals::StopSignals,
};
use crate::{launch::Running, server::ShutdownReport};

/// Drains, and leaves at once when it is told to stop a second time.
pub(crate) async fn finish(running: Running, mut stop: StopSignals) -> Outcome {
    let (limit, calls) = (running.shutdown_timeout(), running.manager().list());
    let calls: usize = calls.iter().map(|plugin| plugin.in_flight).sum();
    let said = "stopping: calls in flight may finish; a second Ctrl-C stops at once";
    if tracing::enabled!(tracing::Level::INFO) {
        tracing::info!(calls, ?limit, "{said}");
    } else {
        note(said);
    }
    tokio::select! {
        report = running.drain() => Ok(told(&report)),
        () = stop.next() => {
            note("stopped at once, as it was told to");
            Ok(ExitCode::from(1))
        }
    }
}

fn told(report: &ShutdownReport) -> ExitCode {
    for plugin in report.plugins.iter().filter(|plugin| !plugin.is_clean()) {
        let close = plugin.close_error.as_deref().unwrap_or("closed");
        let cut = match plugin.cut {
            0 => String::new(),
            cut => format!("a restart cut off {}; ", count(cut, "call")),
        };
        let unfinished = count(plugin.unfinished, "call");
        complain(format_args!("{}: {unfinished} did not finish; {cut}{close}", plugin.name));
    }
    if let Some(error) = &report.data_error {
        complain(error);
    }
    let (took, clean) = (rounded(report.took), report.is_clean());
    let said = format!("stopped after {took}");
    if tracing::enabled!(tracing::Level::INFO) {
        tracing::info!(clean, "{said}");
    } else {
        note(said);
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
