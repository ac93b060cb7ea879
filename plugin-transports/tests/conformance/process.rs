//! A process, and lines over its pipes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use plugin_core::{BoxError, PluginInstance};
use plugin_transports::{
    conformance::{Ability, Fault, Faulty, Scripted, ServedPlugin, Settings, Subject},
    process::{ProcessConfig, ProcessHandle, ProcessService, RestartConfig, connect},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::all;

pub(crate) struct Subprocess;

/// Its plugin is started by who connects to it.
#[derive(Default)]
pub(crate) struct Started(Mutex<Option<ProcessHandle>>);

impl Started {
    fn handle(&self) -> Option<ProcessHandle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServedPlugin for Started {
    async fn kill(&self) {
        let Some(handle) = self.handle() else { return };
        let Some(pid) = handle.pid() else { return };
        let known = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process");
        let _ = kill_process(known, Signal::KILL);
        while handle.pid() == Some(pid) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn restart(&self) -> Result<(), BoxError> {
        match self.handle() {
            Some(handle) => Ok(handle.restart().await?),
            None => Ok(()),
        }
    }

    fn held(&self) -> Option<usize> {
        self.handle().map(|handle| usize::from(handle.pid().is_some()))
    }
}

fn at(mode: &[&str], settings: &Settings) -> Result<ProcessConfig, BoxError> {
    // Started again by nobody but the test.
    let slow = Duration::from_secs(60);
    Ok(ProcessConfig::builder("scripted", env!("CARGO_BIN_EXE_plugin-fixture"))
        .with_args(mode.iter().copied())
        .with_request_timeout(settings.limit)
        .with_max_line(settings.max_request.min(settings.max_reply))
        .with_restart(RestartConfig::new(slow, slow, slow * 10, 1000)?)
        .build()?)
}

impl Subject for Subprocess {
    type Service = ProcessService;
    type Server = Started;

    fn name(&self) -> &str {
        "subprocess"
    }

    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        [
            all([Ability::Cancellation], "the protocol has no word for it; the plugin stops at the call's deadline"),
            all([Ability::Line], "calls share a process; beyond `max_in_flight` they are refused"),
            all(
                [Ability::TriesWhileDown],
                "a process that is known to be down is not tried: its death was the evidence",
            ),
            all([Ability::Addresses], "it has none"),
            all(
                [Ability::Status, Ability::Fault(Fault::Unavailable)],
                "an error has a code, and the protocol no status beside it",
            ),
            all([Ability::Fault(Fault::Refuses)], "it is started and not dialled: connecting to it fails"),
        ]
        .concat()
    }

    async fn serve(&self, _: Scripted, _: &Settings) -> Result<Started, BoxError> {
        Ok(Started::default())
    }

    async fn connect(&self, server: &Started, settings: &Settings) -> Result<PluginInstance<ProcessService>, BoxError> {
        let instance = connect(at(&["scripted"], settings)?).await?;
        *server.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(instance.service().handle());
        Ok(instance)
    }

    async fn faulty(&self, fault: Fault, settings: &Settings) -> Result<Option<Faulty<ProcessService>>, BoxError> {
        let instance = connect(at(&["faulty", fault.as_str()], settings)?).await?;
        Ok(Some(Faulty::new(instance, ())))
    }
}
