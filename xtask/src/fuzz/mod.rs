//! `cargo xtask fuzz`: every decoder of the workspace under libFuzzer and AddressSanitizer, for as long as one likes.
//!
//! A target is a program in `fuzz/fuzz_targets` over one function of a crate's `fuzzing.rs`, which says what holds for any
//! bytes. The same function is a test there, its twin, and begins with the same seeds.

mod targets;

use std::fs;

use crate::metadata;
use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure, root};

/// What to fuzz, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FuzzOptions {
    /// All of them when there is none.
    pub(crate) target: Option<String>,
    /// For each.
    pub(crate) seconds: u32,
}

/// An input that takes longer is a fault.
const SLOWEST: &str = "-timeout=10";

/// So much memory a target may have, in megabytes.
const MEMORY: &str = "-rss_limit_mb=2048";

/// Builds the targets and runs each. One that fails does not keep the next from being run.
pub(crate) fn run(options: &FuzzOptions) -> Result<(), Failure> {
    prerequisites::ensure(&[Tool::CCompiler, Tool::Nightly, Tool::CargoFuzz])?;
    let known = targets::names()?;
    let chosen: Vec<&String> = match &options.target {
        None => known.iter().collect(),
        Some(name) => match known.iter().find(|target| *target == name) {
            Some(target) => vec![target],
            None => return Err(Failure::new(format!("there is no target `{name}`: use {}", known.join(", ")))),
        },
    };
    let built = metadata::target_directory()?.join("fuzz").display().to_string();
    let cargo_fuzz = |verb: &str| {
        let command = ["run", "nightly", "cargo", "fuzz", verb, "--fuzz-dir", "fuzz", "--target-dir", &built];
        Cmd::new("rustup", command)
    };
    let build = cargo_fuzz("build");
    match &options.target {
        None => build.run()?,
        Some(target) => build.args([target]).run()?,
    }
    let mut failed = Vec::new();
    for target in &chosen {
        let corpus = format!("fuzz/corpus/{target}");
        fs::create_dir_all(root().join(&corpus)).map_err(|error| Failure::new(format!("{corpus}: {error}")))?;
        // The first directory takes what is found, the second is only read.
        let run = cargo_fuzz("run").args([target.as_str(), &corpus, &format!("fuzz/seeds/{target}"), "--"]).args([
            &format!("-max_total_time={}", options.seconds),
            SLOWEST,
            MEMORY,
            "-verbosity=0",
            "-print_final_stats=1",
        ]);
        if let Err(failure) = run.run() {
            println!("{failure}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        println!("xtask: {} targets, {} s each, and nothing was found", chosen.len(), options.seconds);
        return Ok(());
    }
    let what = format!("{} of {} targets failed: {}", failed.len(), chosen.len(), failed.join(", "));
    Err(Failure::new(what)
        .hint("the inputs are in fuzz/artifacts; a small one belongs in fuzz/seeds, with what mends it"))
}
