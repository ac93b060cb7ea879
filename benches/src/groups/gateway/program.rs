//! The programs of a measurement, which end with it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use super::load::{Connection, Target};
use crate::groups::child;

/// The variable that tells a child of this program where the backend is.
pub(super) const BACKEND: &str = "BENCHES_BACKEND";

/// So long a program may take until it answers.
const START: Duration = Duration::from_secs(20);

/// A program that runs until this is dropped.
pub(super) struct Program {
    child: Child,
    /// What ends it where a kill would leave its workers behind.
    stop: Option<Command>,
}

impl Program {
    /// Starts a program whose standard error is written to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let log = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self { child, stop: None })
    }

    /// Starts this program as a child of this kind, and returns where it listens.
    pub(super) fn child(kind: &str, backend: Option<SocketAddr>) -> Result<(Self, SocketAddr), String> {
        let mut command = Command::new(child::program());
        command.args([child::ARGUMENT, kind]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(backend.map(|backend| (BACKEND, backend.to_string())));
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let out = child.stdout.take();
        let program = Self { child, stop: None };
        let mut line = String::new();
        let read = out.map(|out| BufReader::new(out).read_line(&mut line));
        let address = read.and_then(Result::ok).and_then(|_| line.trim().parse().ok());
        Ok((program, address.ok_or_else(|| format!("{kind} did not say where it listens, but {line:?}"))?))
    }

    /// Ends it by this command.
    pub(super) fn stopped_by(mut self, command: Command) -> Self {
        self.stop = Some(command);
        self
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers a request as it should. What it writes to the log is in the error if it does not.
    pub(super) async fn until_it_answers(&mut self, target: &Target, log: &Path) -> Result<(), String> {
        let end = Instant::now() + START;
        loop {
            let said = match Connection::open(target).await {
                Ok(mut connection) => match connection.call().await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let status = self.child.try_wait().map_err(|error| error.to_string())?;
            if status.is_some() || Instant::now() >= end {
                let state = status.map_or_else(|| format!("runs, but {said}"), |status| status.to_string());
                let log = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("no answer from {}: it {state}\n{log}", target.uri()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let is_told = self.stop.as_mut().is_some_and(|stop| stop.status().is_ok_and(|status| status.success()));
        if !is_told {
            // It may have ended by itself.
            _ = self.child.kill();
        }
        _ = self.child.wait();
    }
}

/// A port of this machine that was free a moment ago, for a program that must be told its own.
pub(super) fn free_port() -> Result<SocketAddr, String> {
    let address = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    address.map_err(|error| format!("no port of 127.0.0.1: {error}"))
}
