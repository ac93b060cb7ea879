//! From files to settings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_core::Code;

use super::document::{self, Fault, Faults, NamedList, Node, Source, Span, Syntax, Value};
use super::keys::{Context, Keys, Table};
use super::plugin::{self, PluginConfig};
use super::settings::{self, Config};
use super::{effective, overlay, secrets};

/// The lists whose items have names, so that an overlay says of one item only what differs.
const NAMED: [NamedList<'_>; 4] = [
    NamedList { path: "plugins", key: "name" },
    NamedList { path: "plugins[].instances", key: "name" },
    NamedList { path: "server.auth", key: "name" },
    NamedList { path: "admin.tokens", key: "name" },
];

/// What the environment is asked through: the value of a variable, if it is set.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Reads the configuration at `path`, with the overlay of `name` or, without one, of the variable `APP_ENV`.
///
/// The overlay of `gateway.yaml` for `production` is `gateway.production.yaml` beside it (or `.yml`, `.json`, `.toml`). It
/// must be there when `name` is given, and also when it comes from `APP_ENV` and there are overlays of other names.
///
/// Relative paths start from the directory of `path`. Files that are named are looked at: secrets, certificates,
/// executables (those of plugins that are not enabled aside). Nothing is started, connected or changed.
///
/// # Errors
///
/// Every fault that was found, each with its place, what would be right, and a stable code.
pub fn load(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<Config, Faults> {
    open(path, name, env).and_then(|tree| build(tree, path, env)).map(|(config, _)| config)
}

/// The configuration that [`load`] reads, as YAML: defaults filled in, secrets and what comes from the environment as `***`.
///
/// # Errors
///
/// Those of [`load`].
pub fn show(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<String, Faults> {
    let (_, tree) = open(path, name, env).and_then(|tree| build(tree, path, env))?;
    Ok(document::to_yaml(&document::redact(&tree, &[])))
}

/// Reads a configuration out of `text`, as if it were in the file `path`, which is not opened.
///
/// Without a `syntax`, the extension of `path` says it.
///
/// # Errors
///
/// Those of [`load`].
pub fn from_text(path: &Path, text: &str, syntax: Option<Syntax>, env: Env<'_>) -> Result<Config, Faults> {
    let tree =
        document::parse(path, text.as_bytes(), syntax).map_err(|faults| faults.or_code(Code::InvalidDocument))?;
    build(tree, path, env).map(|(config, _)| config)
}

/// Reads one plugin out of the file at `path`, whose top level has the keys of an item of `plugins`.
///
/// `timeout` holds where the file says none; without it, 30 seconds. There is no overlay, and nothing like `default_retry`;
/// all else is as for [`load`].
///
/// # Errors
///
/// Those of [`load`].
pub fn load_plugin(path: &Path, timeout: Option<Duration>, env: Env<'_>) -> Result<PluginConfig, Faults> {
    let tree = document::load(path).map_err(|faults| faults.or_code(Code::InvalidDocument))?;
    one_plugin(tree, path, timeout, env)
}

/// The plugin that an executable is which nothing describes: a subprocess with the defaults of every key, except that it
/// gets the host's `PATH`, which most scripts need. `timeout` holds for the call and for each attempt.
pub(crate) fn plugin_of_executable(
    name: &str,
    path: &Path,
    timeout: Duration,
    env: Env<'_>,
) -> Result<PluginConfig, Faults> {
    let Some(text) = path.to_str() else {
        let span = Span::whole_file(&Source::new(path, ""));
        return Err(Fault::new(span, "executable", "the path is not UTF-8").with_code(Code::ConfigValue).into());
    };
    one_plugin(effective::executable(name, text, path, timeout), path, Some(timeout), env)
}

fn one_plugin(tree: Node, path: &Path, timeout: Option<Duration>, env: Env<'_>) -> Result<PluginConfig, Faults> {
    let prepare = |tree: &mut Node| {
        effective::default_timeout(tree, timeout);
        Faults::new()
    };
    settle(tree, path, env, &plugin::TABLE, prepare, plugin::read).map(|(plugin, _)| plugin)
}

/// The base with its overlay.
fn open(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<Node, Faults> {
    let base = document::load(path);
    let overlay = overlay::find(path, name, env).and_then(|found| found.map(|path| document::load(&path)).transpose());
    match (base, overlay) {
        (Ok(base), Ok(Some(overlay))) if matches!(base.value, Value::Null) => Ok(overlay),
        (Ok(base), Ok(Some(overlay))) if !matches!(overlay.value, Value::Null) => {
            Ok(document::merge(base, overlay, &NAMED))
        }
        (Ok(base), Ok(_)) => Ok(base),
        (base, overlay) => {
            let mut faults = Faults::new();
            base.err().into_iter().chain(overlay.err()).for_each(|more| faults.append(more));
            Err(faults.or_code(Code::InvalidDocument))
        }
    }
}

fn build(tree: Node, path: &Path, env: Env<'_>) -> Result<(Config, Node), Faults> {
    settle(tree, path, env, &settings::TABLE, effective::spread, settings::read)
}

/// The settings of `table`, and the tree that holds: with all defaults, and `file:PATH` where a secret is in a file.
/// `prepare` writes into the tree what holds before the defaults of the table.
fn settle<T>(
    mut tree: Node,
    path: &Path,
    env: Env<'_>,
    table: &'static Table,
    prepare: impl FnOnce(&mut Node) -> Faults,
    read: impl FnOnce(&mut Keys<'_, '_>) -> Option<T>,
) -> Result<(T, Node), Faults> {
    let mut faults = Faults::new();
    if let Err(found) = document::substitute(&mut tree, env) {
        faults.append(found.or_code(Code::ConfigEnvironment));
    }
    // What a variable stands for that is not set is not judged any further.
    let unset: Vec<Span> = faults.iter().map(|fault| fault.span().clone()).collect();
    if matches!(tree.value, Value::Null) {
        tree.value = Value::Map(Vec::new());
    }
    faults.append(prepare(&mut tree));
    effective::fill(&mut tree, table);
    let shown = tree.clone();
    let context = Context { dir: directory(path)?, env };
    faults.append(secrets::resolve(&mut tree, &context));
    let settings = document::read(&tree, |section| Keys::read(section, table, &context, "", read));
    match settings {
        Ok(Some(settings)) if faults.is_empty() => return Ok((settings, shown)),
        Ok(Some(_)) => {}
        // Whatever makes it impossible to give settings has been noted; this only guards the promise that something is.
        Ok(None) if faults.is_empty() => {
            faults.push(Fault::new(tree.span.clone(), "", "the configuration has no settings"))
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

/// Leaves out what is said twice of one place: a fault in `default_retry` is not one of every plugin besides.
fn once(faults: &mut Faults) {
    let mut seen = HashSet::new();
    faults.retain(|fault| {
        let key = fault.path().rsplit('.').next().unwrap_or_default().to_owned();
        seen.insert((fault.span().to_string(), key, fault.problem().to_owned()))
    });
}

/// The directory of a file, independent of the working directory.
fn directory(path: &Path) -> Result<PathBuf, Faults> {
    let absolute = std::path::absolute(path).map_err(|error| {
        let span = Span::whole_file(&Source::new(path, ""));
        Faults::from(Fault::new(span, "", format!("has no directory: {error}")).with_code(Code::ConfigFile))
    })?;
    Ok(absolute.parent().map(Path::to_owned).unwrap_or(absolute))
}
