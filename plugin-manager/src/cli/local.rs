//! Commands that need no running gateway.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Outcome, Problem,
    args::{Config, ConfigCommand, ConfigFile, Demo, DemoPlugin, Run},
};
use crate::{
    config::{self, Faults},
    demo,
    launch::{Factories, Running, logging},
    server::ShutdownReport,
};

/// The environment of this process, for `${VAR}`.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(super) fn run(run: &Run) -> Outcome {
    let config = read(&run.file)?;
    logging::init(&config.logging().directives(), config.logging().format());
    runtime()?.block_on(async {
        let running = Running::start(&config, &Factories::new()).await;
        let running = running.map_err(|error| Problem::Failed(error.to_string()))?;
        let gateway = running.gateway();
        println!("serving {} plugins at http://{}", config.plugins().len(), gateway.data_addr());
        println!("admin plane at http://{}", gateway.admin_addr());
        stop_signal().await?;
        finish(running).await
    })
}

/// Drains, and leaves at once when it is told to stop a second time.
pub(crate) async fn finish(running: Running) -> Outcome {
    eprintln!("stopping: calls in flight may finish; a second Ctrl-C stops at once");
    tokio::select! {
        report = running.shutdown() => Ok(told(&report)),
        again = stop_signal() => again.map(|()| ExitCode::from(1)),
    }
}

fn told(report: &ShutdownReport) -> ExitCode {
    for plugin in report.plugins.iter().filter(|plugin| !plugin.is_clean()) {
        let close = plugin.close_error.as_deref().unwrap_or("closed");
        eprintln!("{}: {} calls did not finish; {close}", plugin.name, plugin.unfinished);
    }
    if let Some(error) = &report.data_error {
        eprintln!("{error}");
    }
    if report.is_clean() {
        eprintln!("stopped after {:.1?}", report.took);
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// Waits for Ctrl-C, or for SIGTERM.
pub(crate) async fn stop_signal() -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::Failed(format!("signals cannot be waited for: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

pub(super) fn demo(demo: &Demo) -> Outcome {
    runtime()?.block_on(demo::run(demo.listen, demo.admin_listen, demo.stop_after))
}

pub(super) fn plugin(plugin: &DemoPlugin) -> Outcome {
    runtime()?.block_on(demo::serve_plugin(&plugin.name))
}

pub(super) fn validate(file: &ConfigFile) -> Outcome {
    let config = read(file)?;
    println!("{}: no faults, {} plugins", file.config.display(), config.plugins().len());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn schema() -> Outcome {
    println!("{:#}", config::schema());
    Ok(ExitCode::SUCCESS)
}

pub(super) fn config(command: &Config) -> Outcome {
    let ConfigCommand::Show(file) = &command.command;
    let shown = config::show(&file.config, file.env.as_deref(), &env).map_err(|faults| wrong(&faults))?;
    print!("{shown}");
    Ok(ExitCode::SUCCESS)
}

fn read(file: &ConfigFile) -> Result<config::Config, Problem> {
    config::load(&file.config, file.env.as_deref(), &env).map_err(|faults| wrong(&faults))
}

fn wrong(faults: &Faults) -> Problem {
    let count = faults.len();
    let noun = if count == 1 { "fault" } else { "faults" };
    Problem::Wrong(format!("{count} {noun} in the configuration\n{faults}"))
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Problem::Failed(format!("no runtime: {error}")))
}
