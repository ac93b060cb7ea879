//! What each library offers to a program, held by a list in `docs/api`: a change of the public items is seen in review.

mod listing;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::metadata;
use crate::process::{Cmd, Failure, root};

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

/// Compares the public items of every library with the committed list; `UPDATE_PAGES=1` writes it. Says how many.
pub(crate) fn run() -> Result<Option<String>, Failure> {
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    let rustdoc = copy_of_this()?;
    let (mut all, mut changed) = (0, Vec::new());
    for member in metadata::load()?.iter().filter(|member| member.is_plugin_library()) {
        let listed = listed(&member.name, &rustdoc)?;
        all += listed.len();
        let page = root().join(format!("docs/api/{}.txt", member.name));
        if update {
            let text: String = listed.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            fs::write(&page, text).map_err(|error| Failure::new(format!("{}: {error}", page.display())))?;
            continue;
        }
        let known = fs::read_to_string(&page).unwrap_or_default();
        changed.extend(differences(&known.lines().map(str::to_owned).collect(), &listed));
    }
    if changed.is_empty() {
        return Ok(Some(format!("{all} public items")));
    }
    let what = format!("the public items are not those of docs/api:\n{}", changed.join("\n"));
    Err(Failure::new(what).hint("where that is meant, `UPDATE_PAGES=1 cargo xtask test --only api` writes them down"))
}

/// A copy of this program for cargo to start. The file from which this runs may be gone: the step that builds the tests has
/// built this program too, and put another in its place.
fn copy_of_this() -> Result<PathBuf, Failure> {
    let copy = metadata::target_directory()?.join("xtask-as-rustdoc");
    let running = Path::new("/proc/self/exe");
    let this = if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() };
    let copied = this.and_then(|this| fs::copy(this, &copy));
    copied.map_err(|error| Failure::new(format!("a copy of this program, {}: {error}", copy.display())))?;
    Ok(copy)
}

/// The public items of a library with all its features, those hidden from its pages too.
fn listed(name: &str, rustdoc: &Path) -> Result<BTreeSet<String>, Failure> {
    let command = Cmd::cargo(["rustdoc", "--quiet", "--package", name, "--lib", "--all-features", "--"])
        .args(["-Z", "unstable-options", "--output-format", "json", "--document-hidden-items", "--cap-lints", "allow"])
        .env(AS_RUSTDOC, std::env::var("RUSTDOC").unwrap_or_else(|_| "rustdoc".to_owned()))
        .env("RUSTDOC", rustdoc.to_string_lossy());
    command.run()?;
    let path = metadata::target_directory()?.join(format!("doc/{}.json", name.replace('-', "_")));
    let json = fs::read(&path).map_err(|error| Failure::of(&command, format!("{}: {error}", path.display())))?;
    let krate = serde_json::from_slice(&json).map_err(|error| Failure::of(&command, error))?;
    listing::list(&krate).map_err(|what| Failure::of(&command, format!("{}: {what}", path.display())))
}

/// A line for each item that is there no longer, and each that is new.
fn differences(known: &BTreeSet<String>, listed: &BTreeSet<String>) -> Vec<String> {
    let gone = known.difference(listed).map(|line| format!("- {line}"));
    gone.chain(listed.difference(known).map(|line| format!("+ {line}"))).collect()
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

    #[test]
    fn what_is_gone_and_what_is_new_are_told_apart() {
        let set = |lines: [&str; 2]| lines.map(str::to_owned).into_iter().collect();
        assert_eq!(differences(&set(["fn a", "fn b"]), &set(["fn b", "fn c"])), ["- fn a", "+ fn c"]);
        assert_eq!(differences(&set(["fn a", "fn b"]), &set(["fn a", "fn b"])), [""; 0]);
    }
}
