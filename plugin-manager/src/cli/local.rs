//! Commands that need no running gateway.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use plugin_core::Code;
use serde_json::Value;
use tokio::runtime::Builder;

use super::{
    CommandFault, Outcome,
    args::{Args, ConfigArgs, ConfigCommand, ConfigFile, Demo, DemoPlugin, Run, Schema, Validate},
    demo,
    finish::finish,
    manual,
    output::{count, note, say, say_json, tell},
    runtime,
    signals::StopSignals,
    slow_read::reading,
};
use crate::{
    config::{self, Fault, Faults},
    launch::{Factories, Running, StartError, logging, open_files},
};

/// The environment of this process, for `${VAR}`.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(super) fn run(run: &Run) -> Outcome {
    let config = read(&run.file)?;
    logging::init(&config.logging().directives(), config.logging().format());
    for files in config.unread() {
        tracing::warn!(
            files,
            "files were not looked at, since their disk does not answer; what needs them is tried again"
        );
    }
    open_files::raise_limit();
    runtime::block_on(&mut Builder::new_multi_thread(), async {
        // Before there is anything to stop.
        let mut stop = StopSignals::new()?;
        let failed = |error: StartError| CommandFault::Failed(error.to_string());
        let mut starting = Running::listen(&config).await.map_err(failed)?;
        let plugins = count(config.plugins().len(), "plugin");
        tracing::info!(at_once = config.start_at_once(), "starting {plugins}");
        let (manager, factories) = (starting.manager().clone(), Factories::new());
        let started = tokio::select! {
            started = starting.plugins(&factories) => Some(started),
            // Before those are gone that have not come: their names are not to be unknown ones.
            () = async { stop.next().await; manager.begin_shutdown() } => None,
        };
        let running = starting.into_running();
        match started {
            Some(Ok(())) => {}
            Some(Err(faults)) => {
                // Calls of those that serve may end, unless somebody insists.
                tokio::select! {
                    _ = running.drain() => {}
                    () = stop.next() => {}
                }
                return Err(failed(faults));
            }
            None => {
                // Whoever goes by `/readyz` has not turned to this gateway yet.
                note(match config.lame_duck().is_zero() {
                    true => "stopped while its plugins were being started",
                    false => {
                        "stopped while its plugins were being started: without the lame duck, since /readyz was 503 all along"
                    }
                });
                return finish(running, stop).await;
            }
        }
        tell_of(running.late());
        let gateway = running.gateway();
        let socket = gateway.data_socket().map_or_else(String::new, |path| format!(" and at {path}"));
        let scheme = if config.server().tls().is_some() { "https" } else { "http" };
        tell(format_args!("serving {plugins} at {scheme}://{}{socket}", gateway.data_addr()));
        tell(format_args!("admin plane at http://{}", gateway.admin_addr()));
        stop.next().await;
        tokio::select! {
            () = running.lame_duck() => {}
            () = stop.next() => {}
        }
        finish(running, stop).await
    })
}

/// Plugins that have not started, each with what is known of why.
fn tell_of(late: &StartError) {
    if late.faults().is_empty() {
        return;
    }
    if logging::is_json() {
        for fault in late.faults() {
            let (plugin, code) = (fault.plugin(), fault.code().as_str());
            tracing::warn!(plugin, code, detail = fault.detail(), "{}", fault.message());
        }
    } else {
        // What a plugin says last has lines.
        late.to_string().lines().for_each(note);
    }
    note("what has not started is tried again; `required: true` would end the gateway");
}

pub(super) fn demo(demo: &Demo) -> Outcome {
    let demo = demo::run(demo.listen, demo.admin_listen, demo.stop_after);
    runtime::block_on(&mut Builder::new_multi_thread(), demo)
}

pub(super) fn plugin(plugin: &DemoPlugin) -> Outcome {
    runtime::block_on(&mut Builder::new_multi_thread(), demo::serve_plugin(&plugin.name))
}

pub(super) fn validate(Validate { file, json }: &Validate) -> Outcome {
    if !json {
        let config = read(file)?;
        say(format_args!("{}: no faults, {}", file.shown(), count(config.plugins().len(), "plugin")))?;
        tell_unread(&config);
        return Ok(ExitCode::SUCCESS);
    }
    let (plugins, faults, unread) = match load(file)? {
        Ok(config) => (Some(config.plugins().len()), Vec::new(), config.unread().to_vec()),
        Err(faults) => (None, faults.iter().map(document).collect(), Vec::new()),
    };
    let valid = plugins.is_some();
    let file = file.shown().to_string();
    let mut said = serde_json::json!({"file": file, "valid": valid, "plugins": plugins, "faults": faults});
    if !unread.is_empty() {
        said["unread"] = unread.into();
    }
    say_json(&said)?;
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Files that nobody has looked at.
fn tell_unread(config: &config::Config) {
    for files in config.unread() {
        note(format!("{files}: not looked at, since their disk does not answer"));
    }
}

/// A fault as JSON.
fn document(fault: &Fault) -> Value {
    let span = fault.span();
    serde_json::json!({
        "file": span.source().path().display().to_string(),
        "line": span.line(),
        "column": span.column(),
        "key": fault.path(),
        "problem": fault.problem(),
        "remedy": fault.remedy(),
        "code": fault.code().map(Code::as_str),
    })
}

/// Prints what makes a shell complete the words of this program.
pub(super) fn completions(shell: Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "plugin-manager", &mut text);
    say(String::from_utf8_lossy(&text).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page: this program, then each of its commands with its options.
pub(super) fn man() -> Outcome {
    let page = manual::page(Args::command());
    say(page.map_err(|error| CommandFault::Failed(format!("the page cannot be made: {error}")))?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn schema(schema: &Schema) -> Outcome {
    if schema.markdown {
        say(config::reference().trim_end())?;
    } else {
        say_json(&config::schema())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn config(command: &ConfigArgs) -> Outcome {
    let ConfigCommand::Show(file) = &command.command;
    check_variant(file)?;
    let shown = if file.is_stdin() {
        config::show_from(std::io::stdin().lock(), &env)
    } else {
        reading(file.shown(), || config::show(&file.config, file.env.as_deref(), &env))
    };
    let shown = shown.map_err(|faults| wrong(&faults))?;
    say(shown.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &ConfigFile) -> Result<config::Config, CommandFault> {
    load(file)?.map_err(|faults| wrong(&faults))
}

fn load(file: &ConfigFile) -> Result<Result<config::Config, Faults>, CommandFault> {
    check_variant(file)?;
    let config = if file.is_stdin() {
        config::load_from(std::io::stdin().lock(), &env)
    } else {
        reading(file.shown(), || config::load(&file.config, file.env.as_deref(), &env))
    };
    // This program has no factories.
    Ok(config.and_then(|config| config.check_types(|_| false).map(|()| config)))
}

/// Standard input has no variants beside it. `APP_ENV` may be meant for other programs, so it is no fault there.
fn check_variant(file: &ConfigFile) -> Result<(), CommandFault> {
    if !file.is_stdin() {
        return Ok(());
    }
    if file.env.is_some() {
        return Err(CommandFault::Wrong(
            "--env has no effect with -c -: standard input has no variant beside it".to_owned(),
        ));
    }
    if let Some(name) = env("APP_ENV").filter(|name| !name.is_empty()) {
        note(format_args!("APP_ENV is {name:?} and has no effect: standard input has no variant beside it"));
    }
    Ok(())
}

fn wrong(faults: &Faults) -> CommandFault {
    CommandFault::Wrong(format!("{} in the configuration\n{faults}", count(faults.len(), "fault")))
}
