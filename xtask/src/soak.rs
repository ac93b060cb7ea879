//! `cargo xtask soak`: the tests that are marked `#[ignore = "soak: ..."]` and have `soak` in their name, and the instructions that a
//! call takes.

use crate::bench;
use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure};

pub(crate) fn run(filter: Option<&str>) -> Result<(), Failure> {
    prerequisites::ensure(&[Tool::Nextest, Tool::Python, Tool::CCompiler])?;
    let tests =
        Cmd::cargo(["nextest", "run", "--workspace", "--all-features", "--profile", "soak", "--run-ignored", "only"])
            .args(["-E", &expression(filter)])
            .run();
    // Both are told, whatever the first says. Who asks for some of the tests asks for no counts.
    let counts = if filter.is_none() { bench::run(&["--check".to_owned()]) } else { Ok(()) };
    tests.and(counts)
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
