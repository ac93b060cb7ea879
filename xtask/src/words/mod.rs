//! The same word for the same thing: the public items against the table of words, and the table against its page.

mod concern;
mod page;
mod table;
mod unwanted;

use std::fmt::Display;
use std::fs;

use crate::libraries::Libraries;
use crate::process::{Failure, root};

/// What is wrong with the words of the libraries, a line each.
pub(crate) fn faults(libraries: &Libraries) -> Vec<String> {
    let words: Vec<&str> = table::IDEAS.iter().flat_map(|idea| idea.words).copied().collect();
    let rules = unwanted::Rules {
        functions: table::UNWANTED_FUNCTIONS,
        in_names: table::UNWANTED_IN_NAMES,
        exceptions: table::EXCEPTIONS,
    };
    let concerns = concern::Table { concerns: table::CONCERNS, differences: table::DIFFERENCES };
    let mut faults = concerns.faults(&words, libraries);
    faults.extend(rules.faults(libraries));
    faults
}

/// Whether the section of `ARCHITECTURE.md` is what the table says. Writes it before if `update`.
pub(crate) fn page_faults(update: bool) -> Result<Vec<String>, Failure> {
    let path = root().join("ARCHITECTURE.md");
    let failed = |what: &dyn Display| Failure::new(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| failed(&error))?;
    let (new, old) = match page::replaced(&text, &section()) {
        Ok(found) => found,
        Err(what) => return Ok(vec![format!("{}: {what}", path.display())]),
    };
    if update {
        fs::write(&path, new).map_err(|error| failed(&error))?;
    } else if old != section() {
        let fault =
            format!("{}: `{}` is not what the table says; `UPDATE_PAGES=1` writes it", path.display(), page::HEADING);
        return Ok(vec![fault]);
    }
    Ok(Vec::new())
}

fn section() -> String {
    page::section(table::IDEAS, table::DIFFERENCES, table::UNWANTED_FUNCTIONS)
}
