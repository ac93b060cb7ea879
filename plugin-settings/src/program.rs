//! From files to settings, in one call.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use plugin_core::Code;
use plugin_core::settings::{Settings, Table};

use super::fault::{Fault, Faults};
use super::fill::fill;
use super::keys::{self, Context, Env, Keys};
use super::load::{load, parse};
use super::merge::{NamedList, merge};
use super::node::{Node, Value};
use super::shown::shown;
use super::source::{Source, Span};
use super::substitute::substitute;
use super::syntax::Syntax;
use super::{empty_section, overlay, paths, secrets, switched_off};

/// Reads the settings in the file at `path`, with its overlay.
///
/// # Errors
///
/// Those of [`open`] and of [`settle`].
pub fn load_settings<T: Settings>(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<T, Faults> {
    whole(open(path, name, env, &[])?, path, env).map(|(settings, _)| settings)
}

/// The settings that [`load_settings`] reads, as YAML: defaults filled in, secrets and what comes from the environment as
/// `***`.
///
/// # Errors
///
/// Those of [`load_settings`].
pub fn show_settings<T: Settings>(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<String, Faults> {
    let (_, tree) = whole::<T>(open(path, name, env, &[])?, path, env)?;
    Ok(shown(&tree, T::TABLE))
}

/// Reads settings out of `text`, as if it were in the file `path`, which is not opened.
///
/// # Errors
///
/// Those of [`parse`] and of [`settle`].
pub fn settings_from_text<T: Settings>(
    path: &Path,
    text: &str,
    syntax: Option<Syntax>,
    env: Env<'_>,
) -> Result<T, Faults> {
    let tree = parse(path, text.as_bytes(), syntax).map_err(|faults| faults.or_code(Code::InvalidDocument))?;
    whole(tree, path, env).map(|(settings, _)| settings)
}

fn whole<T: Settings>(tree: Node, path: &Path, env: Env<'_>) -> Result<(T, Node), Faults> {
    let context = Context { dir: directory(path)?, env, unavailable: &[] };
    settle(tree, &context, T::TABLE, |_| Faults::new(), |keys| keys.make())
}

/// The file at `path` with its overlay: that of `name` or, without one, of the variable `APP_ENV`.
///
/// The overlay of `a.yaml` for `production` is `a.production.yaml` beside it (or `.yml`, `.json`, `.toml`). It must be there
/// when `name` is given, and also when it comes from `APP_ENV` and there are overlays of other names. It is laid over the
/// base key by key, and the lists of `named` item by item.
///
/// # Errors
///
/// Every fault of either file.
pub fn open(path: &Path, name: Option<&str>, env: Env<'_>, named: &[NamedList<'_>]) -> Result<Node, Faults> {
    let base = load(path);
    let overlay = overlay::find(path, name, env).and_then(|found| found.map(|path| load(&path)).transpose());
    match (base, overlay) {
        (Ok(base), Ok(Some(overlay))) if matches!(base.value, Value::Null) => Ok(overlay),
        (Ok(base), Ok(Some(overlay))) if !matches!(overlay.value, Value::Null) => Ok(merge(base, overlay, named)),
        (Ok(base), Ok(_)) => Ok(base),
        (base, overlay) => {
            let mut faults = Faults::new();
            base.err().into_iter().chain(overlay.err()).for_each(|more| faults.append(more));
            Err(faults.or_code(Code::InvalidDocument))
        }
    }
}

/// What `make` makes of a document, and the document that holds: with all defaults, and `file:PATH` where a secret is in a
/// file.
///
/// `${VAR}` is replaced; then `prepare` writes into the document what holds before the defaults of the table; then those are
/// filled in, files of secrets read, and `make` asks for each key of `table`.
///
/// # Errors
///
/// Every fault that was found on the way, each with its place and a stable code.
pub fn settle<T>(
    mut tree: Node,
    context: &Context<'_>,
    table: &'static Table,
    prepare: impl FnOnce(&mut Node) -> Faults,
    make: impl FnOnce(&mut Keys<'_>) -> Option<T>,
) -> Result<(T, Node), Faults> {
    let mut faults = Faults::new();
    if let Err(found) = substitute(&mut tree, context.env) {
        faults.append(found.or_code(Code::ConfigEnvironment));
    }
    // What a variable stands for that is not set is not judged any further.
    let unset: Vec<Span> = faults.iter().map(|fault| fault.span().clone()).collect();
    if matches!(tree.value, Value::Null) {
        tree.value = Value::Map(Vec::new());
    }
    faults.append(empty_section::faults(&tree, table));
    faults.append(prepare(&mut tree));
    // Before defaults are filled in: what is off by default stands at the place of what it is in, which may have faults.
    let off = switched_off::spans(&tree, table, context.unavailable);
    fill(&mut tree, table);
    let shown = tree.clone();
    faults.append(secrets::resolve(&mut tree, table, context));
    faults.append(paths::resolve(&mut tree, table, &context.dir));
    faults.retain(|fault| !off.contains(fault.span()));
    match keys::read(&tree, table, context, make) {
        Ok(Some(settings)) if faults.is_empty() => return Ok((settings, shown)),
        Ok(Some(_)) => {}
        // Whatever makes it impossible to give settings has been noted; this only guards the promise that something is.
        Ok(None) if faults.is_empty() => {
            faults.push(Fault::new(tree.span.clone(), "", "the configuration has no settings"));
        }
        Ok(None) => {}
        Err(mut found) => {
            found.retain(|fault| !unset.contains(fault.span()));
            faults.append(found);
        }
    }
    once(&mut faults);
    Err(faults.or_code(Code::ConfigSchema))
}

/// Leaves out what is said twice of one place: a fault in a shared default is not one of everything that shares it.
fn once(faults: &mut Faults) {
    let mut seen = HashSet::new();
    faults.retain(|fault| {
        let key = fault.path().rsplit('.').next().unwrap_or_default().to_owned();
        seen.insert((fault.span().to_string(), key, fault.problem().to_owned()))
    });
}

/// The directory of a file, independent of the working directory.
///
/// # Errors
///
/// When it has none.
pub fn directory(path: &Path) -> Result<PathBuf, Faults> {
    let absolute = std::path::absolute(path).map_err(|error| {
        let span = Span::whole_file(&Source::new(path, ""));
        Faults::from(Fault::new(span, "", format!("has no directory: {error}")).with_code(Code::ConfigFile))
    })?;
    Ok(absolute.parent().map(Path::to_owned).unwrap_or(absolute))
}
