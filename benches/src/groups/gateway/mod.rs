//! The gateway as it is run, a program of its own, beside other programs that carry the same requests to the same backend.

mod backend;
mod conclude;
mod load;
mod nginx;
mod ours;
mod pace;
mod program;
mod proxy;
mod rounds;
mod row;
mod serve;
mod steps;
mod table;
mod usage;

use super::{GroupEntry, child::ChildKind};
use crate::harness::{OwnTable, Plan};

pub use conclude::Figures;
pub use pace::Pace;
pub use rounds::{Gateways, measure};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "gateway",
    about: "A POST of 1 KiB of JSON that is answered with as much, through each program to a backend that is a program too. Each has \
            the cores of the machine for its threads or workers, and keeps its connections on both sides. requests/s and the CPU of \
            a request (user and system, of the program with the processes that it has started: workers, a subprocess) are those of \
            32 connections that send one request after the other, driven by one thread on the same cores; ratios of CPU are the \
            medians of those within each round. The last rows are steps of the gateway, programs that answer by themselves. p50 and p99 are at 1,000 requests a second, from the moment at which each was due. \
            Memory is what its processes hold at the end, each page that several share divided among them.",
    peers: &["hyper", "hyper-util"],
    rows: |group| group.measured_by(report),
};

/// What this program can be for the measurement.
pub(super) const CHILDREN: &[ChildKind] = &[
    (backend::KIND, backend::run),
    (proxy::KIND, proxy::run),
    (steps::HYPER, steps::hyper),
    (steps::LISTENER, steps::listener),
    (steps::GATEWAY, steps::gateway),
];

fn report(plan: &Plan) -> Result<OwnTable, String> {
    let pace = Pace::default().with_rounds(plan.rounds());
    let measured = measure(&pace)?;
    let mut notes = measured.missing.clone();
    notes.extend(conclude::aims(&measured.rows));
    notes.extend(conclude::steps(&measured.rows));
    let nginx = nginx::version().map(|version| format!(", {version} with {} workers", nginx::workers()));
    notes.push(format!("{} rounds{}.", pace.rounds(), nginx.unwrap_or_default()));
    Ok(OwnTable { markdown: table::markdown(&measured.rows), notes })
}
