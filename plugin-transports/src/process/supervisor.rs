//! Owns the life of a plugin's process: no call, and no caller, ever does.

use std::{future::Future, sync::Arc, time::Duration};

use plugin_core::{PluginError, Sent, clock};
use tokio::sync::{mpsc, oneshot};

use super::{
    handle::{Answer, Command, Link, ProcessEvent, Shared},
    restart::{Deaths, Decision},
    running::{Running, launch},
};

/// The task that watches, restarts and stops one plugin's process.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    deaths: Deaths,
    _link: CloseLink,
}

/// Where the supervisor stands. Every arm below says what moves it on.
enum Phase {
    Up(Box<Running>),
    Waiting { wait: Duration, why: String },
    Starting { why: String, asked: Option<Answer<()>> },
    GivenUp { why: String },
    Over,
}

impl Supervisor {
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Self {
        let deaths = Deaths::new(shared.config.restart);
        Self { _link: CloseLink(shared.clone()), shared, commands, deaths }
    }

    /// Runs until the plugin is closed, or nobody holds it any more.
    pub(super) async fn run(mut self, first: Running) {
        let mut phase = Phase::Up(Box::new(first));
        loop {
            phase = match phase {
                // ## Up => Up | Waiting | GivenUp | Starting | Over
                //
                // A death leads to Waiting, or to GivenUp when it is one too many. A restart that is asked for stops
                // the process and leads to Starting. A close leads to Over.
                Phase::Up(running) => self.up(running).await,
                // ## Waiting => Starting | Over
                //
                // The end of the wait, or a restart that is asked for, leads to Starting.
                Phase::Waiting { wait, why } => self.waiting(wait, why).await,
                // ## Starting => Up | Waiting | GivenUp | Starting | Over
                //
                // A start that fails counts as a death.
                Phase::Starting { why, asked } => self.starting(why, asked).await,
                // ## GivenUp => Starting | Over
                //
                // Only a restart that is asked for leads to Starting.
                Phase::GivenUp { why } => self.given_up(why).await,
                Phase::Over => return,
            };
        }
    }

    async fn up(&mut self, mut running: Box<Running>) -> Phase {
        let (pid, ready) = (running.id(), running.ready());
        loop {
            tokio::select! {
                biased;
                why = running.died() => {
                    tracing::warn!(plugin = %self.shared.name, pid, "the plugin's process {why}");
                    self.shared.tell(ProcessEvent::Died { pid, why: why.clone() });
                    return self.after_death(Some(ready), why);
                }
                command = self.commands.recv() => match command {
                    Some(Command::Limit(limits, done)) => {
                        let limited = running.limit(limits).await.map_err(|error| error.with_plugin(self.shared.name.clone()));
                        let _ = done.send(limited);
                    }
                    Some(Command::Restart(done)) => {
                        let why = "is restarted on request".to_owned();
                        self.down(Duration::ZERO, &why);
                        running.stop(self.shared.config.shutdown_grace).await;
                        self.deaths.clear();
                        return Phase::Starting { why, asked: Some(done) };
                    }
                    Some(Command::Close { grace, done }) => {
                        self.shared.link.store(Arc::new(Link::Stopped));
                        let _ = done.send(running.stop(grace).await);
                        return Phase::Over;
                    }
                    None => {
                        self.shared.link.store(Arc::new(Link::Stopped));
                        running.stop(self.shared.config.shutdown_grace).await;
                        return Phase::Over;
                    }
                },
            }
        }
    }

    fn after_death(&mut self, ready: Option<clock::Instant>, why: String) -> Phase {
        match self.deaths.decide(ready, clock::now()) {
            Decision::After(wait) => {
                self.down(wait, &why);
                self.shared.tell(ProcessEvent::Restarting { after: wait });
                Phase::Waiting { wait, why }
            }
            Decision::GiveUp => {
                self.shared.link.store(Arc::new(Link::GivenUp { why: why.clone() }));
                tracing::error!(plugin = %self.shared.name, "the plugin's process died too often and is not started again");
                self.shared.tell(ProcessEvent::GivenUp);
                Phase::GivenUp { why }
            }
        }
    }

    async fn waiting(&mut self, wait: Duration, why: String) -> Phase {
        match self.commanded(tokio::time::sleep(wait)).await {
            Ok(()) => Phase::Starting { why, asked: None },
            Err(interrupt) => interrupt.phase(why),
        }
    }

    async fn starting(&mut self, why: String, asked: Option<Answer<()>>) -> Phase {
        self.down(Duration::ZERO, &why);
        let shared = self.shared.clone();
        let launch = launch(&shared.config, &shared.name, |pid| shared.tell(ProcessEvent::Started { pid }));
        // A command that interrupts the start drops it, which kills what was started.
        match self.commanded(launch).await {
            Err(interrupt) => interrupt.phase(why),
            Ok(Ok(running)) => {
                self.shared.count_restart();
                self.shared.up(&running);
                answer(asked, Ok(()));
                Phase::Up(Box::new(running))
            }
            Ok(Err(error)) => {
                let why = format!("could not be started again: {}", error.message());
                tracing::warn!(plugin = %self.shared.name, detail = error.detail(), "the plugin's process {why}");
                self.shared.tell(ProcessEvent::StartFailed { why: error.message().to_owned() });
                let phase = self.after_death(None, why);
                answer(asked, Err(error));
                phase
            }
        }
    }

    async fn given_up(&mut self, why: String) -> Phase {
        match self.commanded(std::future::pending::<()>()).await {
            Ok(()) => Phase::GivenUp { why },
            Err(interrupt) => interrupt.phase(why),
        }
    }

    /// Runs `work` until a command interrupts it.
    async fn commanded<F: Future>(&mut self, work: F) -> Result<F::Output, Interrupt> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Limit(_, done)) => {
                        let text = "there is no process to limit now";
                        let error = PluginError::connection(text, Sent::Nothing).with_plugin(self.shared.name.clone());
                        let _ = done.send(Err(error));
                    }
                    Some(Command::Restart(done)) => {
                        self.deaths.clear();
                        return Err(Interrupt::Restart(done));
                    }
                    Some(Command::Close { done, .. }) => return Err(Interrupt::Close(Some(done))),
                    None => return Err(Interrupt::Close(None)),
                },
                output = &mut work => return Ok(output),
            }
        }
    }

    fn down(&self, wait: Duration, why: &str) {
        let until = clock::now().saturating_add(wait);
        self.shared.link.store(Arc::new(Link::Down { until, why: why.to_owned() }));
    }
}

/// A command that ends a phase in which no process is ready.
enum Interrupt {
    Restart(Answer<()>),
    Close(Option<oneshot::Sender<bool>>),
}

impl Interrupt {
    fn phase(self, why: String) -> Phase {
        match self {
            Self::Restart(done) => Phase::Starting { why, asked: Some(done) },
            Self::Close(done) => {
                if let Some(done) = done {
                    let _ = done.send(true);
                }
                Phase::Over
            }
        }
    }
}

fn answer(asked: Option<Answer<()>>, result: Result<(), PluginError>) {
    if let Some(asked) = asked {
        let _ = asked.send(result);
    }
}

/// Marks the plugin as stopped when the supervisor ends, also when its runtime is dropped before it ever ran.
#[derive(Debug)]
struct CloseLink(Arc<Shared>);

impl Drop for CloseLink {
    fn drop(&mut self) {
        self.0.link.store(Arc::new(Link::Stopped));
        self.0.tell(ProcessEvent::Stopped);
    }
}
