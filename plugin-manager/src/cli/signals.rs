//! Being told to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Problem;

/// Ctrl-C and SIGTERM, from its making on: one that comes while nobody waits is kept for the next wait.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Neither ends the process by itself any more.
    pub(crate) fn new() -> Result<Self, Problem> {
        let failed = |error: io::Error| Problem::Failed(format!("signals cannot be waited for: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
