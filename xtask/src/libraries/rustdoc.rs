//! What rustdoc says of a library, as JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::metadata;
use crate::process::{Cmd, Failure};

/// Set where this program is started by cargo in the place of rustdoc.
const AS_RUSTDOC: &str = "XTASK_AS_RUSTDOC";

/// Runs rustdoc with unstable options if cargo started this program in its place.
///
/// JSON needs an unstable option, which a stable rustdoc takes under `RUSTC_BOOTSTRAP`. Set for all of cargo that
/// would build every dependency anew whose build script looks at it, and once more in the next step.
pub(crate) fn as_rustdoc() -> Option<ExitCode> {
    let rustdoc = std::env::var_os(AS_RUSTDOC)?;
    let status = Command::new(rustdoc).args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status();
    Some(if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A copy of this program for cargo to start. The file from which this runs may be gone: the step that builds the tests has
/// built this program too, and put another in its place.
pub(super) fn copy_of_this() -> Result<PathBuf, Failure> {
    let copy = metadata::target_directory()?.join("xtask-as-rustdoc");
    let running = Path::new("/proc/self/exe");
    let this = if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() };
    let copied = this.and_then(|this| fs::copy(this, &copy));
    copied.map_err(|error| Failure::new(format!("a copy of this program, {}: {error}", copy.display())))?;
    Ok(copy)
}

/// What there is in a library with all its features, what is hidden from its pages too.
pub(super) fn json(name: &str, rustdoc: &Path) -> Result<Value, Failure> {
    let command = Cmd::cargo(["rustdoc", "--quiet", "--package", name, "--lib", "--all-features", "--"])
        .args(["-Z", "unstable-options", "--output-format", "json", "--document-hidden-items", "--cap-lints", "allow"])
        .env(AS_RUSTDOC, std::env::var("RUSTDOC").unwrap_or_else(|_| "rustdoc".to_owned()))
        .env("RUSTDOC", rustdoc.to_string_lossy());
    command.run()?;
    let path = metadata::target_directory()?.join(format!("doc/{}.json", name.replace('-', "_")));
    let json = fs::read(&path).map_err(|error| Failure::of(&command, format!("{}: {error}", path.display())))?;
    serde_json::from_slice(&json).map_err(|error| Failure::of(&command, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_this_program_can_be_started() {
        let copy = copy_of_this().unwrap();
        let listed = Command::new(copy).args(["--list", "--exact", "nothing"]).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
    }
}
