//! `cargo xtask bench`: builds the harness as it must be measured, and hands it the arguments.

use crate::process::{Cmd, Failure};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    Cmd::cargo(["run", "--release", "--package", "benches", "--"]).args(args.iter().cloned()).run()
}
