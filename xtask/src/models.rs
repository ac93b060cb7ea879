//! The models of what threads share: those that loom runs in every interleaving, and those that shuttle runs in some.

use crate::metadata::{self, Member};
use crate::process::{Cmd, Failure};

/// Runs the models under loom.
pub(crate) fn loom() -> Result<(), Failure> {
    let hint = "tokio has no `net` under cfg(loom): dev-dependencies that use it belong under \
                [target.'cfg(not(loom))'.dev-dependencies]";
    each("loom", |member| member.has_loom_test, None).map_err(|failure| failure.hint(hint))
}

/// Runs the models under shuttle, each in so many schedules, or in as many as it says itself.
pub(crate) fn shuttle(schedules: Option<u32>) -> Result<(), Failure> {
    let hint = "the last lines of a failure are its schedule: `shuttle::replay` runs that one again";
    each("shuttle", |member| member.has_shuttle_test, schedules).map_err(|failure| failure.hint(hint))
}

/// Under `--cfg NAME` each plugin crate that has a `tests/NAME.rs`.
fn each(name: &str, has: fn(&Member) -> bool, schedules: Option<u32>) -> Result<(), Failure> {
    let members = metadata::load()?;
    let mut modelled = members.iter().filter(|member| has(member) && member.name.starts_with("plugin-")).peekable();
    if modelled.peek().is_none() {
        println!("no plugin crate has a tests/{name}.rs");
    }
    for member in modelled {
        let command = Cmd::cargo(["test", "--package", &member.name, "--test", name, "--release"])
            .env("RUSTFLAGS", format!("--cfg {name}"))
            .env("CARGO_TARGET_DIR", format!("target/{name}"))
            // The models need optimised code, not the last percent: without this each links for minutes.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        match schedules {
            Some(schedules) => command.env("SHUTTLE_SCHEDULES", schedules.to_string()).run()?,
            None => command.run()?,
        }
    }
    Ok(())
}
