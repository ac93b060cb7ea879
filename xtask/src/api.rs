//! What each library offers to a program, held by a list in `docs/api`: a change of the public items is seen in review.

use std::collections::BTreeSet;
use std::fs;

use crate::libraries::{Libraries, Library};
use crate::process::{Failure, root};

/// Compares the public items of every library with the committed list; `UPDATE_PAGES=1` writes it. Says how many.
pub(crate) fn run(libraries: &Libraries) -> Result<Option<String>, Failure> {
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    let (mut all, mut changed) = (0, Vec::new());
    for Library { name, lines, .. } in &libraries.0 {
        all += lines.len();
        let page = root().join(format!("docs/api/{name}.txt"));
        if update {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            fs::write(&page, text).map_err(|error| Failure::new(format!("{}: {error}", page.display())))?;
            continue;
        }
        let known = fs::read_to_string(&page).unwrap_or_default();
        changed.extend(differences(&known.lines().map(str::to_owned).collect(), lines));
    }
    if changed.is_empty() {
        return Ok(Some(format!("{all} public items")));
    }
    let what = format!("the public items are not those of docs/api:\n{}", changed.join("\n"));
    Err(Failure::new(what).hint("where that is meant, `UPDATE_PAGES=1 cargo xtask test --only api` writes them down"))
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
