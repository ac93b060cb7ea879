//! `cargo xtask soak`: the tests that are marked `#[ignore = "soak: ..."]` and have `soak` in their name, the models
//! under shuttle in many schedules, and the instructions that a call takes.

use crate::bench;
use crate::models;
use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure};

/// Schedules of each model.
const SCHEDULES: u32 = 200_000;

pub(crate) fn run(filter: Option<&str>) -> Result<(), Failure> {
    prerequisites::ensure(&[Tool::Nextest, Tool::Python, Tool::CCompiler])?;
    let tests =
        Cmd::cargo(["nextest", "run", "--workspace", "--all-features", "--profile", "soak", "--run-ignored", "only"])
            .args(["-E", &expression(filter)])
            .run();
    // All are told, whatever the first says. Who asks for some of the tests asks for no models and no counts.
    if filter.is_some() {
        return tests;
    }
    let models = models::shuttle(Some(SCHEDULES));
    tests.and(models).and(bench::run(&["--check".to_owned()]))
}

fn expression(filter: Option<&str>) -> String {
    match filter {
        None => "test(~soak)".to_owned(),
        Some(filter) => format!("test(~soak) and test(~{filter})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_narrows_the_soaks_and_never_reaches_beyond_them() {
        assert_eq!(expression(None), "test(~soak)");
        assert_eq!(expression(Some("breaker")), "test(~soak) and test(~breaker)");
    }
}
