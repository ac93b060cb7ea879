//! The signals that ask the program to stop.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::CommandFault;

/// Ctrl-C and SIGTERM, from its making on: one that comes while nobody waits is kept for the next wait. SIGHUP, which a
/// terminal that is closed sends too, ends nothing and is logged. A log that has reached the limit of a file's size
/// (`ulimit -f`) is one that takes nothing, and no reason to end.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Never looked at: that somebody listens is what keeps it from ending the process.
    _file_size: Signal,
}

impl StopSignals {
    /// None ends the process by itself any more.
    pub(crate) fn new() -> Result<Self, CommandFault> {
        let failed = |error: io::Error| CommandFault::Failed(format!("signals cannot be waited for: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
            _file_size: signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map_err(failed)?,
        })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP is ignored: the configuration is read at the start alone; SIGTERM stops the gateway");
                }
            }
        }
    }
}
