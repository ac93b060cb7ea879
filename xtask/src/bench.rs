//! `cargo xtask bench`: builds the harness as it must be measured, and hands it the arguments.

use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if has(args, "--check") {
        prerequisites::ensure(&[Tool::Valgrind])?;
    }
    let build = Cmd::cargo(["build", "--release", "--bins", "--package", "benches"]);
    // The gateway is measured as a program, which stands beside the harness.
    let build = if measures_the_gateway(args) { build.args(["--package", "plugin-manager"]) } else { build };
    build.run()?;
    Cmd::cargo(["run", "--release", "--package", "benches", "--"]).args(args.iter().cloned()).run()
}

fn measures_the_gateway(args: &[String]) -> bool {
    let only_looks = ["--check", "--list", "--help"].iter().any(|flag| has(args, flag));
    let is_value = |at: usize| at > 0 && args[at - 1] == "--rounds";
    let mut filters = (0..args.len()).filter(|at| !args[*at].starts_with('-') && !is_value(*at));
    !only_looks && filters.next().is_none_or(|at| "gateway".contains(args[at].as_str()))
}

fn has(args: &[String], flag: &str) -> bool {
    args.iter().any(|arg| arg == flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_built_where_it_is_measured() {
        let measures =
            |line: &str| measures_the_gateway(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in ["", "--quick", "gateway --write", "gate", "--rounds 5 --write"] {
            assert!(measures(line), "{line}");
        }
        for line in ["--check", "--list", "stack", "stack --rounds 5", "--rounds 5 stack", "gateway --check"] {
            assert!(!measures(line), "{line}");
        }
    }
}
