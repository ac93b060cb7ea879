//! From files to settings.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use plugin_core::Code;
use plugin_settings::{Context, Env, Fault, Faults, NamedList, Node, Source, Span, Syntax};

use super::plugin::{self, PluginConfig, TransportKind};
use super::settings::{self, Config};
use super::unavailable::UNAVAILABLE;
use super::{disk, document, inherited};

/// The lists whose items have names, so that an overlay says of one item only what differs.
const NAMED: [NamedList<'_>; 4] = [
    NamedList { path: "plugins", key: "name" },
    NamedList { path: "plugins[].instances", key: "name" },
    NamedList { path: "server.auth", key: "name" },
    NamedList { path: "admin.tokens", key: "name" },
];

/// Reads the configuration at `path`, with the overlay of `name` or, without one, of the variable `APP_ENV`.
///
/// The overlay of `gateway.yaml` for `production` is `gateway.production.yaml` beside it (or `.yml`, `.json`, `.toml`). It
/// must be there when `name` is given, and also when it comes from `APP_ENV` and there are overlays of other names.
///
/// Relative paths start from the directory of `path`. Files that are named are looked at: secrets, certificates,
/// executables (those of plugins that are not enabled aside). Nothing is started, connected or changed.
///
/// How a plugin is reached that has a `type` need not be right, for a factory of that name may make it, which only the program
/// knows: [`Config::check_types`] tells it what is wrong there, or whoever starts the plugins.
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
    open(path, name, env).and_then(|tree| build(tree, path, env)).and_then(shown)
}

/// Reads a configuration out of `reader`, to its end: for standard input. Faults call it `stdin`; its content says the
/// syntax. There is no overlay, and relative paths start from the directory that the process works in.
///
/// # Errors
///
/// Those of [`load`].
pub fn load_from(reader: impl Read, env: Env<'_>) -> Result<Config, Faults> {
    read_from(reader, env).map(|(config, _)| config)
}

/// The configuration that [`load_from`] reads, as [`show`] shows it.
///
/// # Errors
///
/// Those of [`load`].
pub fn show_from(reader: impl Read, env: Env<'_>) -> Result<String, Faults> {
    read_from(reader, env).and_then(shown)
}

/// Which factories there are is not known where a configuration is only shown: that of a plugin in the program is one.
fn shown((config, tree): (Config, Node)) -> Result<String, Faults> {
    let inproc = |plugin: &&PluginConfig| plugin.transport().kind() == TransportKind::InProcess;
    let made: HashSet<_> = config.plugins().iter().filter(inproc).filter_map(PluginConfig::kind).collect();
    config.check_types(|kind| made.contains(kind))?;
    Ok(document::shown(&tree, &settings::TABLE))
}

fn read_from(reader: impl Read, env: Env<'_>) -> Result<(Config, Node), Faults> {
    let path = Path::new("stdin");
    let tree = document::parse_from(path, reader, None).map_err(|faults| faults.or_code(Code::InvalidDocument))?;
    build(tree, path, env)
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

/// The settings of an executable that no configuration describes: a subprocess with the defaults of every key, except
/// that it gets the host's `PATH`, which most scripts need. `timeout` holds for the call and for each attempt.
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
    one_plugin(inherited::executable(name, text, path, timeout), path, Some(timeout), env)
}

fn one_plugin(tree: Node, path: &Path, timeout: Option<Duration>, env: Env<'_>) -> Result<PluginConfig, Faults> {
    let prepare = |tree: &mut Node| {
        inherited::default_timeout(tree, timeout);
        Faults::new()
    };
    document::settle(tree, &context(path, env)?, &plugin::TABLE, prepare, plugin::read).map(|(plugin, _)| plugin)
}

fn open(path: &Path, name: Option<&str>, env: Env<'_>) -> Result<Node, Faults> {
    document::open(path, name, env, &NAMED)
}

fn build(tree: Node, path: &Path, env: Env<'_>) -> Result<(Config, Node), Faults> {
    document::settle(tree, &context(path, env)?, &settings::TABLE, inherited::spread, settings::read)
}

fn context<'e>(path: &Path, env: Env<'e>) -> Result<Context<'e>, Faults> {
    disk::begin();
    Ok(Context { dir: document::directory(path)?, env, unavailable: UNAVAILABLE })
}

/// Every key of a configuration, as a page in Markdown: `docs/configuration.md`, and what `schema --markdown` prints.
#[must_use]
pub fn reference() -> String {
    document::reference("Configuration", &settings::TABLE, UNAVAILABLE)
}

/// The JSON Schema (draft 2020-12) of a configuration, for editors: every key that is accepted, with what it means, its
/// default and its bounds.
///
/// It knows a document as it is written: `${VAR}` may stand for a value of any type. What holds between keys, and what
/// only a look at files can tell, [`load`] checks.
#[must_use]
pub fn schema() -> serde_json::Value {
    document::schema("plugin-manager", &settings::TABLE)
}
