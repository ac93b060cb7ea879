//! The checks themselves. `test` and `check` choose from them and give the order.
//!
//! All of them use one target directory and the dev profile, so that dependencies are checked once (clippy, features,
//! docs) and built once (tests, doc tests). Only the models have directories of their own: their `--cfg` would rebuild
//! everything twice.

use crate::api;
use crate::circles;
use crate::examples;
use crate::metadata;
use crate::models;
use crate::prerequisites::{self, Tool};
use crate::process::{Cmd, Failure};
use crate::proto;
use crate::repeats;
use crate::runner::Step;
use crate::snippets;
use crate::source;
use crate::words;

pub(crate) const PREREQUISITES: Step = Step {
    name: "prerequisites",
    about: "what the other steps need is installed",
    needs: &[],
    run: |context| {
        prerequisites::ensure(&context.tools)?;
        Ok(None)
    },
};

pub(crate) const FMT: Step = Step {
    name: "fmt",
    about: "formatting",
    needs: &[Tool::Rustfmt],
    run: |_| {
        let failed = |failure: Failure| failure.hint("`cargo fmt --all` formats");
        Cmd::cargo(["fmt", "--all", "--check"]).run().map_err(failed)?;
        // The fuzz targets are a workspace of their own.
        Cmd::cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run().map_err(failed)?;
        Ok(None)
    },
};

pub(crate) const CIRCLES: Step = Step {
    name: "circles",
    about: "no two files of a crate name each other",
    needs: &[],
    run: |_| none(circles::faults(&source::load()?)),
};

pub(crate) const REPEATS: Step = Step {
    name: "repeats",
    about: "no ten lines of code stand twice",
    needs: &[],
    run: |_| none(repeats::faults(&source::load()?)),
};

pub(crate) const PROTO: Step = Step {
    name: "proto",
    about: "the code for gRPC is what the .proto files say",
    needs: &[],
    run: |_| none(proto::faults(update_pages())?),
};

pub(crate) const WORDS: Step = Step {
    name: "words",
    about: "the same word for the same thing in the public items",
    needs: &[Tool::CCompiler],
    run: |context| none([words::faults(context.libraries()?), words::page_faults(update_pages())?].concat()),
};

pub(crate) const EXAMPLES: Step = Step {
    name: "examples",
    about: "an example on the page of each layer, handle, configuration and service",
    needs: &[Tool::CCompiler],
    run: |context| none(examples::faults(context.libraries()?)),
};

/// Whether what is written by the steps is to be written, and not only checked.
fn update_pages() -> bool {
    std::env::var_os("UPDATE_PAGES").is_some()
}

/// Passes where nothing is wrong.
fn none(faults: Vec<String>) -> Result<Option<String>, Failure> {
    if faults.is_empty() {
        Ok(None)
    } else {
        Err(Failure::new(format!("{}\n{} in all", faults.join("\n"), faults.len())))
    }
}

pub(crate) const CLIPPY: Step = Step {
    name: "clippy",
    about: "lints on every target with all features, warnings are errors",
    needs: &[Tool::Clippy, Tool::CCompiler],
    run: |_| {
        let command = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        Cmd::cargo(command).run()?;
        Ok(None)
    },
};

pub(crate) const FEATURES: Step = Step {
    name: "features",
    about: "each plugin library with no feature, each alone, and all; warnings are errors",
    needs: &[Tool::CCompiler],
    run: |_| {
        for member in metadata::load()?.iter().filter(|member| member.is_plugin_library()) {
            for set in member.feature_sets() {
                // `rustc --profile check` is `check` that hands flags to this crate alone: RUSTFLAGS would check
                // every dependency anew.
                Cmd::cargo(["rustc", "--quiet", "--package", &member.name, "--lib", "--profile", "check"])
                    .args(set.flags())
                    .args(["--", "-D", "warnings"])
                    .run()?;
            }
        }
        Ok(None)
    },
};

pub(crate) const TEST: Step = Step {
    name: "test",
    about: "unit and integration tests",
    needs: &[Tool::Nextest, Tool::Python, Tool::Redis, Tool::CCompiler],
    run: |_| {
        // nextest's closing line, which is shown again at the very end.
        Cmd::cargo(["nextest", "run", "--workspace", "--all-features"])
            .run_keeping(|line| line.starts_with("Summary ["))
    },
};

pub(crate) const DOCTEST: Step = Step {
    name: "doctest",
    about: "the examples in the documentation",
    needs: &[Tool::CCompiler],
    run: |_| {
        Cmd::cargo(["test", "--doc", "--workspace", "--all-features"]).run()?;
        Ok(None)
    },
};

pub(crate) const SNIPPETS: Step = Step {
    name: "snippets",
    about: "each example of the pages alone, with what its page names",
    needs: &[Tool::CCompiler],
    run: |_| snippets::run(),
};

pub(crate) const DOCS: Step = Step {
    name: "docs",
    about: "the documentation builds, warnings are errors",
    needs: &[Tool::CCompiler],
    run: |_| {
        Cmd::cargo(["doc", "--no-deps", "--workspace", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings").run()?;
        Ok(None)
    },
};

pub(crate) const API: Step = Step {
    name: "api",
    about: "the public items are those of docs/api",
    needs: &[Tool::CCompiler],
    run: |context| api::run(context.libraries()?),
};

pub(crate) const LOOM: Step = Step {
    name: "loom",
    about: "models of the atomic types, every interleaving",
    needs: &[Tool::CCompiler],
    run: |_| models::loom().map(|()| None),
};

pub(crate) const SHUTTLE: Step = Step {
    name: "shuttle",
    about: "models of more threads, in schedules that are drawn",
    needs: &[Tool::CCompiler],
    run: |_| models::shuttle(None).map(|()| None),
};

pub(crate) const DENY: Step = Step {
    name: "deny",
    about: "licences, banned crates and sources of all dependencies",
    needs: &[Tool::Deny],
    run: |_| {
        // A build downloads the crates of this platform; deny reads those of every platform, and does not dial out.
        Cmd::cargo(["fetch", "--quiet"]).run()?;
        Cmd::cargo(["deny", "--offline", "check", "bans", "licenses", "sources"]).run()?;
        Ok(None)
    },
};
