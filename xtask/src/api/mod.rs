//! What each library offers to a program, held by a list in `docs/api`: a change of the public items is seen in review.

mod listing;

use std::collections::BTreeSet;
use std::fs;
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
    let (mut all, mut changed) = (0, Vec::new());
    for member in metadata::load()?.iter().filter(|member| member.is_plugin_library()) {
        let listed = listed(&member.name)?;
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

/// The public items of a library with all its features, those hidden from its pages too.
fn listed(name: &str) -> Result<BTreeSet<String>, Failure> {
    let this = std::env::current_exe().map_err(|error| Failure::new(format!("the path of this program: {error}")))?;
    let command = Cmd::cargo(["rustdoc", "--quiet", "--package", name, "--lib", "--all-features", "--"])
        .args(["-Z", "unstable-options", "--output-format", "json", "--document-hidden-items", "--cap-lints", "allow"])
        .env(AS_RUSTDOC, std::env::var("RUSTDOC").unwrap_or_else(|_| "rustdoc".to_owned()))
        .env("RUSTDOC", this.to_string_lossy());
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
    fn what_is_gone_and_what_is_new_are_told_apart() {
        let set = |lines: [&str; 2]| lines.map(str::to_owned).into_iter().collect();
        assert_eq!(differences(&set(["fn a", "fn b"]), &set(["fn b", "fn c"])), ["- fn a", "+ fn c"]);
        assert_eq!(differences(&set(["fn a", "fn b"]), &set(["fn a", "fn b"])), [""; 0]);
    }
}
