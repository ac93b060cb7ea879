//! Which file lies over the base: `gateway.production.yaml` over `gateway.yaml`.

use std::path::{Path, PathBuf};

use super::fault::{Fault, Faults};
use super::keys::Env;
use super::source::{Source, Span};

/// The variable that names an overlay when nothing else does.
const VARIABLE: &str = "APP_ENV";

/// The overlay of `base`, if there is to be one.
///
/// # Errors
///
/// When it has to be there and is not, or the name is none.
pub(super) fn find(base: &Path, name: Option<&str>, env: Env<'_>) -> Result<Option<PathBuf>, Faults> {
    let (name, asked) = match name {
        Some(name) => (name.to_owned(), true),
        None => match env(VARIABLE).filter(|name| !name.is_empty()) {
            Some(name) => (name, false),
            None => return Ok(None),
        },
    };
    let from = if asked { "the name of the environment".to_owned() } else { format!("the variable {VARIABLE}") };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        let problem = format!("{from} is {name:?}; expected letters, digits, `-` and `_`");
        return Err(fault(base, problem));
    }
    let candidates = candidates(base, &name);
    if let Some(found) = candidates.iter().find(|path| path.exists()) {
        return Ok(Some(found.clone()));
    }
    let others = others(base);
    // A variable of so common a name may be meant for other programs; not so when there are overlays.
    if !asked && others.is_empty() {
        return Ok(None);
    }
    let wanted = candidates.first().cloned().unwrap_or_default();
    let there =
        if others.is_empty() { String::new() } else { format!("; there are overlays for {}", others.join(", ")) };
    Err(fault(base, format!("{from} is {name:?}, and {wanted:?} is not there{there}")))
}

/// With the base's own extension first.
fn candidates(base: &Path, name: &str) -> Vec<PathBuf> {
    let stem = base.file_stem().unwrap_or_default().to_string_lossy();
    let own = base.extension().map(|extension| extension.to_string_lossy().into_owned());
    let extensions = own.into_iter().chain(["yaml", "yml", "json", "toml"].map(str::to_owned));
    extensions.map(|extension| base.with_file_name(format!("{stem}.{name}.{extension}"))).collect()
}

/// The names for which there are overlays of `base`, sorted.
fn others(base: &Path) -> Vec<String> {
    let stem = base.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let dir = base.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let name_in = |file: &str| {
        let rest = file.strip_prefix(&stem)?.strip_prefix('.')?;
        let (name, extension) = rest.rsplit_once('.')?;
        ["yaml", "yml", "json", "toml"].contains(&extension).then(|| name.to_owned())
    };
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| name_in(&entry.file_name().to_string_lossy())).collect();
    names.sort();
    names.dedup();
    names
}

fn fault(base: &Path, problem: String) -> Faults {
    Fault::new(Span::whole_file(&Source::new(base, "")), "", problem).into()
}
