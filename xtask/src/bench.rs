//! `cargo xtask bench`: builds the harness as it must be measured, and hands it the arguments.

use crate::process::{Cmd, Failure};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    // The gateway is measured as a program, which stands beside the harness.
    Cmd::cargo(["build", "--release", "--package", "benches", "--package", "plugin-manager", "--bins"]).run()?;
    Cmd::cargo(["run", "--release", "--package", "benches", "--"]).args(args.iter().cloned()).run()
}
