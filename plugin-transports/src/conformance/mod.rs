//! What holds for one transport holds for all: the suite that says so, for the transports of this crate and for yours.
//!
//! It is for tests (a dependency under `[dev-dependencies]` with the feature `conformance`, which is not in `full`). You say how a
//! plugin is served over your transport and how a host connects to it; the suite has the plugin, [`Scripted`], and the cases,
//! [`CASES`]: evidence, what was sent, one timer, bounds, the end of an instance, cancellation, the line, a kill at any moment
//! under 64 callers, and peers that are broken.
//!
//! ```
//! use plugin_transports::{
//!     conformance::{self, Ability, Fault, Scripted, ServedPlugin, Settings, Subject},
//!     inproc,
//!     plugin_core::{BoxError, PluginInfo, PluginInstance},
//! };
//!
//! /// A function call, which has nothing that could be lost.
//! struct Here;
//!
//! struct Plugin(Scripted);
//!
//! impl ServedPlugin for Plugin {
//!     async fn kill(&self) {}
//!
//!     async fn restart(&self) -> Result<(), BoxError> {
//!         Ok(())
//!     }
//!
//!     fn held(&self) -> Option<usize> {
//!         None
//!     }
//! }
//!
//! impl Subject for Here {
//!     type Service = Scripted;
//!     type Server = Plugin;
//!
//!     fn name(&self) -> &str {
//!         "here"
//!     }
//!
//!     fn lacks(&self) -> Vec<(Ability, &'static str)> {
//!         let same = "it is a function of the same process";
//!         let no = [Ability::Restart, Ability::TriesWhileDown, Ability::Panics, Ability::Probe, Ability::Addresses, Ability::Status];
//!         let unbound = [Ability::Line, Ability::Bounds, Ability::Close].map(|each| (each, "layers do that"));
//!         let faults = Fault::ALL.map(|fault| (Ability::Fault(fault), "there is no wire"));
//!         no.map(|each| (each, same)).into_iter().chain(unbound).chain(faults).collect()
//!     }
//!
//!     async fn serve(&self, plugin: Scripted, _: &Settings) -> Result<Plugin, BoxError> {
//!         Ok(Plugin(plugin))
//!     }
//!
//!     async fn connect(&self, server: &Plugin, _: &Settings) -> Result<PluginInstance<Scripted>, BoxError> {
//!         Ok(inproc::instance(server.0.clone(), PluginInfo::new("scripted", "1.0.0")))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = conformance::run(&Here).await; // panics with a report of every case that does not hold
//! println!("{report}");
//! # }
//! ```
//!
//! Servers in the same process are best started on an [`Island`], which can be killed. The program `custom-transport` among the
//! examples of the repository is a transport of one's own with a server of that kind, and runs this suite.
//!
//! Times are real, and cases run one after the other; all of them take a few seconds, and each is ended after
//! [`CASE_LIMIT`]. Run it on a runtime that does nothing else: what is left behind is found by counting its tasks.

mod cases;
mod island;
mod report;
mod scripted;
mod subject;
mod trial;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;

use self::trial::{Stop, Tried};
pub use self::{
    cases::{CASES, Case},
    island::Island,
    report::{Finding, Outcome, Report, SoakReport},
    scripted::Scripted,
    subject::{Ability, Fault, Faulty, ServedPlugin, Settings, Subject},
};

/// A case that has not ended by then does not hold. Each takes a second or two; a machine that is busy with other things takes ten
/// times that.
pub const CASE_LIMIT: Duration = Duration::from_secs(30);

/// Runs every case.
///
/// Must be called within a runtime of tokio with I/O and time enabled, whose clock is not paused.
///
/// # Panics
///
/// When a case does not hold, after all have run, with a [`Report`] as the message.
pub async fn run<S: Subject>(subject: &S) -> Report {
    let report = check(subject, "").await;
    assert!(report.failed() == 0, "{report}");
    report
}

/// Runs the cases that have `filter` in their names, and says what came out.
pub async fn check<S: Subject>(subject: &S, filter: &str) -> Report {
    let lacks = subject.lacks();
    let mut outcomes = Vec::new();
    for (case, run) in CASES.iter().zip(cases::runs::<S>()) {
        if !case.name.contains(filter) {
            continue;
        }
        let lacking = case.needs.and_then(|needs| lacks.iter().find(|(ability, _)| *ability == needs));
        let outcome = match lacking {
            Some((ability, why)) => Outcome::Lacking(*ability, why),
            None => ended(tokio::time::timeout(CASE_LIMIT, AssertUnwindSafe(run(subject)).catch_unwind()).await),
        };
        outcomes.push((case.name, outcome));
    }
    Report { subject: subject.name().to_owned(), outcomes }
}

type Ended = Result<std::thread::Result<Tried>, tokio::time::error::Elapsed>;

fn ended(ended: Ended) -> Outcome {
    match ended {
        Ok(Ok(Ok(()))) => Outcome::Held,
        Ok(Ok(Err(Stop::NoPeer))) => Outcome::NotTried,
        Ok(Ok(Err(Stop::Found(finding)))) => Outcome::Failed(finding),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Outcome::Failed(Finding::new("the case", "no panic", text))
        }
        Err(_) => {
            let limit = format!("an end within {CASE_LIMIT:?}");
            Outcome::Failed(Finding::new("the case", limit, "none"))
        }
    }
}

/// Makes so many calls as the case `no_reply_reaches_another_caller` does, for a test that may take its time, and says what they
/// ended with.
///
/// # Panics
///
/// When a caller gets the reply of another, or a call ends without a typed error.
pub async fn soak<S: Subject>(subject: &S, calls: usize) -> SoakReport {
    match cases::replies(subject, calls).await {
        Ok(report) => report,
        Err(Stop::Found(finding)) => panic!("{}: {finding}", subject.name()),
        Err(Stop::NoPeer) => panic!("{}: nobody to call", subject.name()),
    }
}
