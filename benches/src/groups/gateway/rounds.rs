//! The programs, and the rounds in which they take turns.

use std::path::Path;

use tokio::{runtime::Builder, task::LocalSet};

use super::{
    Pace, backend,
    conclude::{self, Figures},
    load::Target,
    nginx, ours,
    program::{Program, free_port},
    proxy,
    row::{self, Row},
    steps,
};

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateways {
    /// In the order of the table.
    pub rows: Vec<Figures>,
    /// What is not installed or built here, each a sentence: it has no row.
    pub missing: Vec<String>,
}

/// Starts the programs, measures them in turns, and ends them.
///
/// # Errors
///
/// When a program that is there does not start or does not answer, or a request is not answered as it should be.
pub fn measure(pace: &Pace) -> Result<Gateways, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(LocalSet::new().run_until(measure_all(pace)))
}

async fn measure_all(pace: &Pace) -> Result<Gateways, String> {
    let dir = tempfile::tempdir().map_err(|error| format!("a directory for configurations: {error}"))?;
    let (_backend, backend) = Program::child(backend::KIND, None)?;
    let mut missing = Vec::new();
    let mut rows = Vec::new();
    match nginx::program() {
        Some(file) => {
            let (listen, log) = (free_port()?, dir.path().join("nginx.log"));
            let program = nginx::start(&file, dir.path(), listen, backend, &log)?;
            rows.push(Row::new(row::NGINX, program, Target::new(listen, "/")?, &log, pace).await?);
        }
        None => missing.push("nginx is not installed here, so it has no row.".to_owned()),
    }
    let (program, listen) = Program::child(proxy::KIND, Some(backend))?;
    rows.push(Row::new(row::BARE, program, Target::new(listen, "/")?, Path::new(""), pace).await?);
    match ours::program() {
        Some(file) => {
            let plugins = [(row::OVER_HTTP, ours::over_http(backend)), (row::SUBPROCESS, ours::over_a_subprocess())];
            for (number, (name, plugin)) in plugins.into_iter().enumerate() {
                let (listen, file_name) = (free_port()?, format!("gateway-{number}"));
                let log = dir.path().join(format!("{file_name}.log"));
                let program = ours::start(&file, dir.path(), &file_name, listen, &plugin, &log)?;
                let target = Target::new(listen, &format!("/v1/plugins/{}", ours::PLUGIN))?;
                rows.push(Row::new(name, program, target, &log, pace).await?);
            }
        }
        None => {
            missing.push("The gateway is not built here (`plugin-manager`, beside this program): no row.".to_owned())
        }
    }
    let call = format!("/v1/plugins/{}", ours::PLUGIN);
    let steps = [
        (row::HYPER_ANSWERS, steps::HYPER, "/"),
        (row::LISTENER_ANSWERS, steps::LISTENER, "/"),
        (row::GATEWAY_ANSWERS, steps::GATEWAY, call.as_str()),
    ];
    for (name, kind, path) in steps {
        let (program, listen) = Program::child(kind, None)?;
        rows.push(Row::new(name, program, Target::new(listen, path)?, Path::new(""), pace).await?);
    }
    for round in 0..pace.rounds() {
        // In an order that shifts, so that a slow moment of the machine hits all rows alike.
        for place in 0..rows.len() {
            let turn = (round + place) % rows.len();
            rows[turn].run(pace).await?;
        }
    }
    Ok(Gateways { rows: conclude::all(&rows)?, missing })
}
