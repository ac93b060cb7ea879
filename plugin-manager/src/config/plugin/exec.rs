//! What a plugin needs that runs as a subprocess.

use std::path::PathBuf;

use plugin_core::Code;
use plugin_settings::Keys;
use plugin_transports::ConnectionConfig;
use plugin_transports::process::{ProcessConfig, ResourceLimits, RestartConfig, StderrConfig};

use super::super::disk;
use super::PluginConfig;
use super::executable::{Looked, Search};

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
        let search = Search::new(keys.context());
        let looked = disk::answered(|| format!("the executable and the `work_dir` of plugin {:?}", plugin.name), {
            let (search, text, work_dir) = (search.clone(), text.clone(), self.work_dir.clone());
            move || search.look(&text, work_dir.as_deref())
        });
        // A disk that does not answer is no fault of what was written: the plugin's start waits for it.
        let Looked { executable, problem, no_work_dir } = looked.unwrap_or_else(|| search.unseen(&text));
        if plugin.enabled {
            if let Some(problem) = problem.filter(|_| !text.is_empty()) {
                keys.fault(key, Code::MissingExecutable, problem);
            }
            if let Some(problem) = no_work_dir {
                keys.fault("work_dir", Code::ConfigFile, problem);
            }
        }
        // The builder would say of one that is missing that it is empty.
        let path = if text.is_empty() { PathBuf::from("/") } else { executable.unwrap_or_else(|| PathBuf::from(text)) };
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
