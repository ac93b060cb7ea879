//! One program, and what its rounds have found.

use std::{path::Path, time::Duration};

use super::{
    Pace,
    load::{self, Connection, Done, Target},
    program::Program,
    usage,
};

pub(super) const HYPER_ANSWERS: &str = "step: hyper's server";
pub(super) const LISTENER_ANSWERS: &str = "step: our server";
pub(super) const GATEWAY_ANSWERS: &str = "step: gateway, plugin in the process";
pub(super) const NGINX: &str = "nginx";
pub(super) const BARE: &str = "bare hyper proxy";
pub(super) const OVER_HTTP: &str = "gateway, plugin over HTTP";
pub(super) const SUBPROCESS: &str = "gateway, subprocess";

/// A program, while it is measured.
pub(super) struct Row {
    pub(super) name: &'static str,
    program: Program,
    connections: Vec<Connection>,
    pub(super) rounds: Vec<Round>,
}

/// What one round found.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// At full speed.
    pub(super) calls: u64,
    pub(super) took: Duration,
    pub(super) cpu: Duration,
    /// At the rate.
    pub(super) latencies: Vec<Duration>,
}

impl Row {
    pub(super) async fn new(
        name: &'static str,
        mut program: Program,
        target: Target,
        log: &Path,
        pace: &Pace,
    ) -> Result<Self, String> {
        program.until_it_answers(&target, log).await.map_err(|error| format!("{name}: {error}"))?;
        let connections = load::open(&target, pace.connections).await?;
        let mut row = Self { name, program, connections, rounds: Vec::new() };
        // Not counted: connections to the backend are opened by the first requests.
        row.run(&pace.clone().with_time(pace.time / 4)).await?;
        row.rounds.clear();
        Ok(row)
    }

    pub(super) async fn run(&mut self, pace: &Pace) -> Result<(), String> {
        self.round(pace).await.map_err(|error| format!("{}: {error}", self.name))
    }

    async fn round(&mut self, pace: &Pace) -> Result<(), String> {
        let before = usage::cpu(self.program.pid())?;
        let Done { connections, found: (calls, took) } =
            load::at_full_speed(std::mem::take(&mut self.connections), pace.time).await?;
        let cpu = usage::cpu(self.program.pid())?.saturating_sub(before);
        let Done { connections, found: latencies } = load::at_a_rate(connections, pace.per_second, pace.time).await?;
        self.connections = connections;
        self.rounds.push(Round { calls, took, cpu, latencies });
        Ok(())
    }

    /// What the program and all that it has started hold now, in bytes.
    pub(super) fn memory(&self) -> Result<u64, String> {
        usage::memory(self.program.pid()).map_err(|error| format!("{}: {error}", self.name))
    }
}
