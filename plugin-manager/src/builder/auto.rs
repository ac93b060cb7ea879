//! The builder that finds plugins in directories.

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Code, Plugin, PluginError};

use super::{
    Builder, Built,
    search::{Found, Search},
};
use crate::{
    config::{self, Faults, LogFormat, PluginConfig, TransportConfig},
    launch::{Factories, StartError, on_a_thread_that_may_wait},
};

/// For plugins that lie in directories: calls may take 30 seconds.
pub fn auto() -> AutoBuilder {
    AutoBuilder::new(super::simple())
}

/// Finds plugins in directories. Made by [`auto`](super::auto).
///
/// A plugin is
///
/// - a **manifest**: a file `*.plugin.yaml`, `.yml`, `.json` or `.toml` with the keys of one item of a configuration's
///   `plugins`. `${VAR}` stands for variables of this process, relative paths start at the manifest's directory;
/// - an **executable file** whose name matches a pattern, and which no manifest names as its `executable`: a subprocess
///   that speaks the line protocol. Its name without the last extension is the plugin's. It gets the variable `PATH` and
///   nothing else of the environment.
///
/// | setting | default |
/// |---|---|
/// | directories | none; at least one is needed |
/// | patterns of executables | `*` |
/// | depth | 5: the directory itself and four below |
/// | filter | everything passes |
///
/// Files are taken in the order of their paths. Names that begin with a dot are left out, links to directories are not
/// followed, and links to files only when the file is within the directory. What cannot be read is left out with a
/// warning in the log. More than 1,000 plugins, or 100,000 entries of directories, are an error.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_manager::builder;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let built = builder::auto()
///     .with_directory("/usr/lib/my-program/plugins")
///     .with_pattern("plugin-*")
///     .with_timeout(Duration::from_secs(5))
///     .build()
///     .await?;
/// for plugin in built.manager().list() {
///     println!("{}", plugin.name);
/// }
/// # Ok(())
/// # }
/// # let _ = run;
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct AutoBuilder {
    builder: Builder,
    search: Search,
}

impl AutoBuilder {
    fn new(builder: Builder) -> Self {
        Self { builder, search: Search::default() }
    }

    /// Looks into this directory too.
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.search.directories.push(directory.into());
        self
    }

    /// Takes executables whose file name matches: `*` stands for any characters, `?` for one, `[abc]` for one of these.
    /// With several patterns, those that match any of them.
    pub fn with_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.search.patterns.push(pattern.into());
        self
    }

    /// How deep to look. 1 is the directory itself.
    pub fn with_max_depth(mut self, depth: usize) -> Self {
        self.search.max_depth = depth;
        self
    }

    /// Takes only the files, manifests included, for whose path this is true. It is called on a thread that may block.
    pub fn with_filter(mut self, filter: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        self.search.filter = Some(Box::new(filter));
        self
    }

    /// Adds a plugin besides those that are found, as [`Builder::with_plugin`].
    pub fn with_plugin(mut self, name: impl Into<String>, plugin: impl Plugin<Bytes, Bytes>) -> Self {
        self.builder = self.builder.with_plugin(name, plugin);
        self
    }

    /// Adds a plugin besides those that are found, as [`Builder::with_config`].
    pub fn with_config(mut self, plugin: PluginConfig) -> Self {
        self.builder = self.builder.with_config(plugin);
        self
    }

    /// The factories that the `type` of a manifest can name.
    pub fn with_factories(mut self, factories: Factories) -> Self {
        self.builder = self.builder.with_factories(factories);
        self
    }

    /// Limits a call of an executable, and of a manifest that says no `timeout`.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.builder = self.builder.with_timeout(timeout);
        self
    }

    /// As [`Builder::with_metrics`].
    pub fn with_metrics(mut self, on: bool) -> Self {
        self.builder = self.builder.with_metrics(on);
        self
    }

    /// As [`Builder::with_logging`].
    pub fn with_logging(mut self, directives: impl Into<String>, format: LogFormat) -> Self {
        self.builder = self.builder.with_logging(directives, format);
        self
    }

    /// Finds the plugins, and does what [`Builder::build`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`], where a name that is used twice names both files; a directory that is not there, a
    /// pattern that is none, every fault of every manifest, and too many plugins.
    pub async fn build(self) -> Result<Built, StartError> {
        let Self { mut builder, search } = self;
        // Before the search, which has warnings to tell.
        if let Some((directives, format)) = &builder.logging {
            crate::launch::logging::init(directives, *format);
        }
        let timeout = builder.timeout;
        // Files are read, which blocks; a panic is the filter's, and goes on.
        let found = on_a_thread_that_may_wait(move || find(&search, timeout)).await;
        let found = found.map_err(|stopped| StartError::new(vec![stopped]))?.map_err(StartError::new)?;
        for (plugin, path) in found {
            builder = builder.with_config_from(plugin, path.display().to_string());
        }
        builder.build().await
    }
}

impl fmt::Debug for AutoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoBuilder").field("builder", &self.builder).field("search", &self.search).finish()
    }
}

/// The settings of every plugin that is found, with the file that it comes from.
fn find(search: &Search, timeout: Duration) -> Result<Vec<(PluginConfig, PathBuf)>, Vec<PluginError>> {
    let env = |name: &str| std::env::var(name).ok();
    // A timeout of zero is a fault of its own, which the builder tells.
    let timeout = if timeout.is_zero() { Duration::from_secs(1) } else { timeout };
    let files = search.run()?;
    let mut plugins = Vec::new();
    let mut faults = Vec::new();
    let mut described = HashSet::new();
    for Found { path, file } in files.manifests {
        match config::load_plugin(&path, Some(timeout), &env) {
            Ok(plugin) => {
                if let TransportConfig::Exec(process) = plugin.transport() {
                    described.extend(process.executable().canonicalize());
                }
                plugins.push((plugin, file));
            }
            Err(found) => faults.push(told(&path, &found)),
        }
    }
    for Found { path, file } in files.executables {
        if described.contains(&file) {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match config::plugin_of_executable(&name, &file, timeout, &env) {
            Ok(plugin) => plugins.push((plugin, path)),
            Err(found) => faults.push(told(&path, &found)),
        }
    }
    if plugins.is_empty() && faults.is_empty() {
        tracing::warn!(directories = ?search.directories, "no plugins were found");
    }
    if faults.is_empty() { Ok(plugins) } else { Err(faults) }
}

fn told(path: &Path, faults: &Faults) -> PluginError {
    let code = faults.iter().find_map(config::Fault::code).unwrap_or(Code::ConfigSchema);
    let problem = format!("{} describes no plugin that could be started", path.display());
    PluginError::new(code, problem).with_detail(faults.to_string())
}
