//! The task that starts, restarts and stops a plugin's process. No call ever does.

use std::{sync::Arc, time::Duration};

use plugin_core::{
    PluginError, Sent,
    clock::{self, Instant},
    rounded,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    ProcessEvent,
    handle::{Command, CommandAnswer, Stopped},
    link::{Cause, Down, LinkState},
    restart::{Deaths, Decision},
    running::{Running, Stop, launch},
    tries::{Tell, Tries},
};

/// Why there is no process any more of a plugin that is closed, or that nobody holds.
const CLOSED: &str = "was stopped on request";

/// Why there is none to be called while one that is restarted on request still has calls.
const LETS_CALLS_END: &str = "ends the calls that it has first, and is then stopped on request";

/// The task that watches, restarts and stops one plugin's process.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<LinkState>,
    commands: mpsc::Receiver<Command>,
    deaths: Deaths,
    tries: Tries,
    _link: CloseLink,
}

/// Where the supervisor stands. Every arm below says what moves it on.
pub(super) enum Phase {
    Up(Box<Running>),
    /// `None`: nothing but a command ends the wait.
    Waiting {
        until: Option<Instant>,
        why: Cause,
    },
    Starting {
        why: Cause,
        /// Who waits for it.
        asked: Vec<CommandAnswer<()>>,
    },
    Over,
}

impl Supervisor {
    pub(super) fn new(shared: Arc<LinkState>, commands: mpsc::Receiver<Command>) -> Self {
        let deaths = Deaths::new(shared.config.restart);
        Self { _link: CloseLink(shared.clone()), shared, commands, deaths, tries: Tries::default() }
    }

    /// Where it begins, after the first start has come to this.
    pub(super) fn begin(&mut self, first: Result<Running, &PluginError>) -> Phase {
        match first {
            Ok(running) => {
                self.shared.count_start(true);
                running.take_calls(&self.shared);
                Phase::Up(Box::new(running))
            }
            Err(error) => self.start_failed("could not be started", error),
        }
    }

    /// Runs until the plugin is closed, or nobody holds it any more.
    pub(super) async fn run(mut self, mut phase: Phase) {
        loop {
            phase = match phase {
                // ## Up => Waiting | Starting | Over
                //
                // A death leads to Waiting: a short one, or a long one when it is one too many and the process has
                // failed. A restart that is asked for stops the process and leads to Starting. A close leads to Over.
                Phase::Up(running) => self.up(running).await,
                // ## Waiting => Starting | Over
                //
                // The end of the wait, or a start that is asked for, leads to Starting.
                Phase::Waiting { until, why } => self.waiting(until, why).await,
                // ## Starting => Up | Waiting | Over
                //
                // A start that fails counts as a death. A restart that is asked for meanwhile joins the start that goes on.
                Phase::Starting { why, asked } => self.starting(why, asked).await,
                Phase::Over => return,
            };
        }
    }

    async fn up(&mut self, mut running: Box<Running>) -> Phase {
        let ready = running.ready();
        loop {
            tokio::select! {
                biased;
                why = running.died() => {
                    let decision = self.deaths.decide(Some(ready), clock::now());
                    // Before any call hears of it, so that each is told when to come again.
                    self.down(decision.wait(), &why.as_str().into());
                    let cause = self.bury(&mut running, why).await;
                    let tell = self.tell(decision);
                    if let Tell::Still { tries } = tell {
                        let again = again(decision);
                        tracing::warn!(plugin = &*self.shared.name, tries, again, "{DIED_TOO_OFTEN}");
                    }
                    return self.after_death(decision, cause, tell);
                }
                command = self.commands.recv() => match command {
                    Some(Command::Limit(limits, done)) => {
                        let limited = running.limit(limits).await.map_err(|error| error.with_plugin(self.shared.name.clone()));
                        let _ = done.send(limited);
                    }
                    Some(Command::Restart(done)) => return self.restart(running, vec![done]).await,
                    Some(Command::RetryNow(done)) => {
                        self.begin_anew();
                        done.map(|done| done.send(Ok(())));
                    }
                    Some(Command::Close { grace, done }) => return self.close(*running, Some((grace, done))).await,
                    None => return self.close(*running, None).await,
                },
            }
        }
    }

    /// The process died: its calls hear of it, and everybody else. What it said last belongs to it.
    async fn bury(&self, running: &mut Running, why: String) -> Cause {
        let pid = running.id();
        running.cut_off(&why.as_str().into(), &self.shared).await;
        let cause = Cause { said: running.last_words(), for_callers: None, why };
        let (why, detail) = (&cause.why, cause.said.as_deref());
        tracing::warn!(plugin = &*self.shared.name, pid, detail, "the plugin's process {why}");
        self.shared.ended(&cause);
        self.shared.tell(ProcessEvent::Died { pid, why: why.clone() });
        cause
    }

    /// Stops the process for another one. The calls that it has may end first, while new ones wait for the next.
    async fn restart(&mut self, mut running: Box<Running>, mut asked: Vec<CommandAnswer<()>>) -> Phase {
        let why = Cause::from("was stopped on request");
        self.begin_anew();
        let shared = self.shared.clone();
        let (grace, limit) = (shared.config.shutdown_grace, shared.config.request_timeout);
        let (plugin, pid, calls) = (&*shared.name, running.id(), running.connection().counts().in_flight);
        let at_first = if calls == 0 { why.clone() } else { Cause::from(LETS_CALLS_END) };
        self.down(Some(Duration::ZERO), &at_first);
        tracing::info!(plugin, pid, calls, "a restart of the plugin's process was asked for");
        let end = {
            let mut calls_end = std::pin::pin!(running.let_calls_end(grace, limit));
            loop {
                tokio::select! {
                    biased;
                    command = self.commands.recv() => match command {
                        Some(Command::Limit(_, done)) => self.nothing_to_limit(done),
                        Some(Command::Restart(done)) => asked.push(done),
                        Some(Command::RetryNow(done)) => asked.extend(done),
                        Some(Command::Close { grace, done }) => break Err(Some((grace, done))),
                        None => break Err(None),
                    },
                    died = &mut calls_end => break Ok(died),
                }
            }
        };
        match end {
            Err(asked) => self.close(*running, asked).await,
            Ok(None) => {
                self.down(Some(Duration::ZERO), &why);
                let Stop { by_itself, cut } =
                    running.stop("was stopped for a restart on request", grace, &shared).await;
                let killed = !by_itself;
                if killed || cut > 0 {
                    tracing::warn!(plugin, pid, cut, killed, "the plugin's process was stopped for the restart");
                } else {
                    tracing::info!(plugin, pid, cut, killed, "the plugin's process was stopped for the restart");
                }
                Phase::Starting { why, asked }
            }
            // Nobody asked for that: its calls, and the log, are told what it died of.
            Ok(Some(died)) => {
                self.down(Some(Duration::ZERO), &died.as_str().into());
                let why = self.bury(&mut running, died).await;
                Phase::Starting { why, asked }
            }
        }
    }

    /// Stops the process for good, within a grace period where somebody gives one.
    async fn close(&mut self, running: Running, asked: Option<(Duration, oneshot::Sender<Stopped>)>) -> Phase {
        self.shared.stopped();
        let usual = self.shared.config.shutdown_grace;
        let Some((grace, done)) = asked else {
            running.stop(CLOSED, usual, &self.shared).await;
            return Phase::Over;
        };
        // What is left of a long grace period is for calls, of which there may be none.
        let idle = running.connection().counts().in_flight == 0;
        let grace = if idle { grace.min(usual) } else { grace };
        let by_itself = running.stop(CLOSED, grace, &self.shared).await.by_itself;
        let _ = done.send(if by_itself { Ok(()) } else { Err(grace) });
        Phase::Over
    }

    /// What the log says of this decision besides what it is about.
    fn tell(&mut self, decision: Decision) -> Tell {
        match decision {
            Decision::After(_) => {
                self.tries.begin_anew();
                Tell::Nothing
            }
            Decision::Fail(_) => self.tries.failed(clock::now()),
        }
    }

    /// What was is forgotten, since somebody asked for a start.
    fn begin_anew(&mut self) {
        self.deaths.clear();
        self.tries.begin_anew();
    }

    fn after_death(&mut self, decision: Decision, why: Cause, tell: Tell) -> Phase {
        let wait = decision.wait();
        self.down(wait, &why);
        match decision {
            Decision::After(after) => self.shared.tell(ProcessEvent::Restarting { after }),
            Decision::Fail(after) => {
                if tell == Tell::First {
                    let again = again(decision);
                    tracing::error!(plugin = &*self.shared.name, again, "{DIED_TOO_OFTEN}");
                }
                self.shared.tell(ProcessEvent::Failed { after });
            }
        }
        Phase::Waiting { until: wait.map(|wait| clock::now().saturating_add(wait)), why }
    }

    async fn waiting(&mut self, until: Option<Instant>, why: Cause) -> Phase {
        let wait = async {
            match until {
                Some(until) => tokio::time::sleep(until.saturating_since(clock::now())).await,
                None => std::future::pending().await,
            }
        };
        let mut wait = std::pin::pin!(wait);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Limit(_, done)) => self.nothing_to_limit(done),
                    Some(Command::Restart(done)) => {
                        self.begin_anew();
                        return Phase::Starting { why, asked: vec![done] };
                    }
                    Some(Command::RetryNow(done)) => {
                        self.begin_anew();
                        return Phase::Starting { why, asked: done.into_iter().collect() };
                    }
                    Some(Command::Close { done, .. }) => return closed(Some(done)),
                    None => return closed(None),
                },
                () = &mut wait => return Phase::Starting { why, asked: Vec::new() },
            }
        }
    }

    async fn starting(&mut self, why: Cause, mut asked: Vec<CommandAnswer<()>>) -> Phase {
        self.down(Some(Duration::ZERO), &why);
        let shared = self.shared.clone();
        // Boxed, so that it can be dropped, which kills what was started, before a close is answered.
        let started = |pid| shared.tell(ProcessEvent::Started { pid });
        let mut start = Box::pin(launch(&shared, started));
        let started = loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Limit(_, done)) => self.nothing_to_limit(done),
                    Some(Command::Restart(done)) => {
                        self.begin_anew();
                        asked.push(done);
                    }
                    Some(Command::RetryNow(done)) => {
                        self.begin_anew();
                        asked.extend(done);
                    }
                    Some(Command::Close { done, .. }) => {
                        drop(start);
                        return closed(Some(done));
                    }
                    None => return closed(None),
                },
                started = &mut start => break started,
            }
        };
        match started {
            Ok(running) => {
                self.shared.count_start(true);
                running.take_calls(&self.shared);
                asked.into_iter().for_each(|asked| drop(asked.send(Ok(()))));
                Phase::Up(Box::new(running))
            }
            Err(error) => {
                let phase = self.start_failed("could not be started again", &error);
                let error = Arc::new(error);
                asked.into_iter().for_each(|asked| drop(asked.send(Err(PluginError::shared(&error)))));
                phase
            }
        }
    }

    fn start_failed(&mut self, what: &str, error: &PluginError) -> Phase {
        let why = format!("{what}: {}", error.message());
        let decision = self.deaths.decide(None, clock::now());
        let tell = self.tell(decision);
        let (plugin, detail) = (&*self.shared.name, error.detail());
        match tell {
            // Told a moment ago, and the next time with how often it was.
            Tell::Nothing if decision.has_failed() => tracing::debug!(plugin, detail, "the plugin's process {why}"),
            Tell::Still { tries } => {
                let again = again(decision);
                tracing::warn!(plugin, tries, again, detail, "the plugin's process {why}");
            }
            _ => tracing::warn!(plugin, detail, "the plugin's process {why}"),
        }
        let for_callers = Some(format!("{what}: {}", error.message_for_callers()));
        let why = Cause { why, for_callers, said: error.detail().map(str::to_owned) };
        self.shared.ended(&why);
        self.shared.count_start(false);
        self.shared.tell(ProcessEvent::StartFailed { why: error.message().to_owned() });
        self.after_death(decision, why, tell)
    }

    fn nothing_to_limit(&self, done: CommandAnswer<()>) {
        let text = "there is no process to limit now";
        let error = PluginError::connection(text, Sent::Nothing).with_plugin(self.shared.name.clone());
        let _ = done.send(Err(error));
    }

    /// There is no process; the next start is after this time, or nobody tries.
    fn down(&self, wait: Option<Duration>, why: &Cause) {
        let until = wait.map(|wait| clock::now().saturating_add(wait));
        let (failed, starts) = (self.deaths.failed(), self.shared.starts());
        self.shared.down(Down { failed, until, starts, why: why.clone() });
    }
}

const DIED_TOO_OFTEN: &str = "the plugin's process died too often and has failed";

/// When it is tried again that has failed.
fn again(decision: Decision) -> String {
    decision.wait().map_or_else(|| "not by itself".to_owned(), |after| format!("in {}", rounded(after)))
}

/// The plugin was closed while it had no process that is ready.
fn closed(done: Option<oneshot::Sender<Stopped>>) -> Phase {
    if let Some(done) = done {
        let _ = done.send(Ok(()));
    }
    Phase::Over
}

/// Marks the plugin as stopped when the supervisor ends, also when its runtime is dropped before it ever ran.
#[derive(Debug)]
struct CloseLink(Arc<LinkState>);

impl Drop for CloseLink {
    fn drop(&mut self) {
        self.0.over();
    }
}
