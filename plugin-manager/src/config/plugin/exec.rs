//! What a plugin needs that runs as a subprocess: its keys, and whether what they name is there.

use std::path::{Path, PathBuf};

use plugin_core::Code;
use plugin_settings::Keys;
use plugin_transports::ConnectionConfig;
use plugin_transports::process::{ProcessConfig, ResourceLimits, RestartConfig, StderrConfig};
use rustix::fs::{Access, access};

use super::PluginConfig;

/// The keys that say how the subprocess is started.
#[derive(Debug, Default)]
pub(super) struct Exec {
    executable: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    env_allow: Vec<String>,
    work_dir: Option<PathBuf>,
    max_noise: Option<u32>,
    resources: ResourceLimits,
    restart: RestartConfig,
    stderr: StderrConfig,
}

impl Exec {
    pub(super) fn read(keys: &mut Keys<'_>) -> Self {
        // One mode is served, so there is nothing to keep of it.
        let _ = keys.checked("mode");
        Self {
            executable: keys.text("executable"),
            args: keys.texts("args"),
            env: keys.map("env").into_iter().collect(),
            env_allow: keys.texts("env_allow"),
            work_dir: keys.path("work_dir"),
            max_noise: keys.integer("max_noise"),
            resources: keys.settings("resources").unwrap_or_default(),
            restart: keys.settings("restart").unwrap_or_default(),
            stderr: keys.settings("stderr").unwrap_or_default(),
        }
    }

    /// The settings of the subprocess. `endpoint` is where go-plugins also takes the executable from.
    pub(super) fn process(
        self,
        keys: &Keys<'_>,
        plugin: &PluginConfig,
        endpoint: Option<String>,
        connection: &ConnectionConfig,
        max_line: Option<usize>,
    ) -> Option<ProcessConfig> {
        // Whatever is wrong here, what else is wrong is told all the same: each fault that is kept back costs another run.
        let (key, text) = match (self.executable, endpoint) {
            (Some(text), other) => {
                if other.is_some_and(|other| other != text) {
                    let problem = "names the executable a second time, beside `executable`; take one of them out";
                    keys.fault("endpoint", Code::ConfigSchema, problem);
                }
                ("executable", text)
            }
            (None, Some(text)) => ("endpoint", text),
            (None, None) => {
                keys.fault("executable", Code::MissingExecutable, "the transport exec needs `executable`");
                ("executable", String::new())
            }
        };
        let executable = locate(keys, &text);
        if plugin.enabled {
            let problem = executable.as_ref().map_or_else(Clone::clone, |path| {
                let shown = keys.context().path(shown(&text));
                let problem = unfit(path).map(|flaw| format!("the executable {shown:?} {flaw}{}", meant(keys, &text)));
                problem.unwrap_or_default()
            });
            if !problem.is_empty() && !text.is_empty() {
                keys.fault(key, Code::MissingExecutable, problem);
            }
            if let Some(dir) = self.work_dir.as_ref().filter(|dir| !dir.is_dir()) {
                let problem = if dir.exists() { "is not a directory" } else { "is not there" };
                let hint = dir.to_str().and_then(unexpanded).unwrap_or_default();
                keys.fault("work_dir", Code::ConfigFile, format!("the directory {dir:?} {problem}{hint}"));
            }
        }
        // The builder would say of one that is missing that it is empty.
        let path =
            if text.is_empty() { PathBuf::from("/") } else { executable.unwrap_or_else(|_| PathBuf::from(text)) };
        let mut builder = ProcessConfig::builder(&plugin.name, path)
            .with_args(self.args)
            .with_options(plugin.options.clone())
            .with_resources(self.resources)
            .with_restart(self.restart)
            .with_stderr(self.stderr)
            .with_start_timeout(connection.connection_timeout())
            .with_request_timeout(connection.request_timeout())
            // Its owner is the stack.
            .without_request_timeout()
            .with_kind(plugin.kind.as_deref().unwrap_or_default())
            .with_version(plugin.version.as_deref().unwrap_or_default());
        builder = self.env.into_iter().fold(builder, |builder, (name, value)| builder.with_env(name, value));
        builder = self.env_allow.into_iter().fold(builder, |builder, name| builder.with_env_allow(name));
        if let Some(bytes) = max_line {
            builder = builder.with_max_line(bytes);
        }
        if let Some(lines) = self.max_noise {
            builder = builder.with_max_noise(lines);
        }
        let dir = self.work_dir.unwrap_or_else(|| keys.context().dir.clone());
        keys.check(builder.with_work_dir(dir).build())
    }
}

/// A path starts from the directory of the configuration; a bare name is looked up in `PATH`.
fn locate(keys: &Keys<'_>, text: &str) -> Result<PathBuf, String> {
    let context = keys.context();
    if text.contains('/') {
        return Ok(context.path(text));
    }
    let path = (context.env)("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(text)).find(|path| unfit(path).is_none());
    found.ok_or_else(|| {
        let beside = context.path(text);
        if beside.is_dir() {
            return format!("the executable {beside:?} is a directory; name the program in it");
        }
        let hint = match unfit(&beside) {
            None => format!("; write \"./{text}\" for {beside:?}"),
            Some(_) if beside.exists() => {
                let other = by_interpreter(&beside, text);
                format!(", and {beside:?} is not executable; with `chmod +x` it is, as \"./{text}\"{other}")
            }
            Some(_) => meant(keys, text),
        };
        format!("no directory of PATH has a program {:?}{hint}", shown(text))
    })
}

/// What is written as the executable, up to what may be an argument or the value of a variable: either may be a secret.
fn shown(text: &str) -> String {
    let (program, more) = text.split_once(char::is_whitespace).map_or((text, ""), |(program, _)| (program, " ..."));
    match program.split_once('=') {
        Some((name, _)) => format!("{name}=..."),
        None => format!("{program}{more}"),
    }
}

/// What somebody has meant who writes this as they would for a shell.
fn meant(keys: &Keys<'_>, text: &str) -> String {
    if let Some(hint) = unexpanded(text) {
        return hint;
    }
    let path = keys.context().path(text);
    if path.is_file() && !text.contains(char::is_whitespace) {
        return by_interpreter(&path, text);
    }
    let mut words = text.split_whitespace();
    let Some(program) = words.next().filter(|program| program.len() < text.len()) else { return String::new() };
    match locate(keys, program) {
        // They are not repeated, since a secret may be among them.
        Ok(path) if unfit(&path).is_none() => {
            format!(
                "; its arguments go into `args`: write `executable: {program:?}`, and each of them as an item of `args`"
            )
        }
        _ => String::new(),
    }
}

/// What a shell would have made another path of, and nobody does here.
fn unexpanded(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    if parts.clone().any(|part| part == "~") || path.starts_with('~') {
        return Some("; `~` is not expanded here: write the whole path, or begin with ${HOME}".to_owned());
    }
    let name = parts.find_map(|part| part.strip_prefix('$'))?;
    Some(format!("; a variable has braces here: write ${{{name}}}"))
}

/// How a script is started that cannot be executed.
fn by_interpreter(path: &Path, text: &str) -> String {
    let known = [("py", "python3"), ("js", "node"), ("rb", "ruby"), ("sh", "sh"), ("pl", "perl")];
    let extension = path.extension().and_then(|extension| extension.to_str());
    let interpreter = known.into_iter().find(|(ending, _)| Some(*ending) == extension);
    interpreter.map_or_else(String::new, |(_, program)| {
        format!("; a script can be started by its interpreter: write `executable: {program:?}` and `args: [{text:?}]`")
    })
}

/// Why a file cannot be executed.
fn unfit(path: &Path) -> Option<String> {
    let problem = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is not there".to_owned(),
        Err(error) => format!("cannot be looked at: {error}"),
        Ok(meta) if meta.is_dir() => "is a directory".to_owned(),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => "is not executable; `chmod +x` makes it so".to_owned(),
        Ok(_) => return None,
    };
    Some(problem)
}
