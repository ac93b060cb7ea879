//! The gateway, as an operator runs it: the program, with a configuration file.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::program::{Program, free_port};
use crate::groups::{child, transports};

/// What the plugin is called.
pub(super) const PLUGIN: &str = "measured";

/// The program, which is built beside this one.
pub(super) fn program() -> Option<PathBuf> {
    Some(child::program().with_file_name("plugin-manager")).filter(|file| file.is_file())
}

/// A plugin over HTTP at the backend. It may have a connection for each of the callers; nothing else is told but where it is.
pub(super) fn over_http(backend: SocketAddr) -> String {
    format!(
        "    transport: http
    endpoint: http://{backend}/
    connection: {{max_connections: 64, max_idle_connections: 64}}
"
    )
}

/// A plugin in Rust that is a subprocess of the gateway and gives back its payload.
pub(super) fn over_a_subprocess() -> String {
    let (program, argument, kind) = (child::program(), child::ARGUMENT, transports::PLUGIN);
    format!(
        "    transport: exec
    executable: '{}'
    args: ['{argument}', '{kind}']
",
        program.display()
    )
}

/// Starts it on this port with one plugin.
pub(super) fn start(
    file: &Path,
    dir: &Path,
    name: &str,
    listen: SocketAddr,
    plugin: &str,
    log: &Path,
) -> Result<Program, String> {
    let config = dir.join(format!("{name}.yaml"));
    let admin = free_port()?;
    let text = format!(
        "server: {{listen: '{listen}'}}
admin: {{listen: '{admin}'}}
plugins:
  - name: {PLUGIN}
{plugin}"
    );
    fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
    let mut command = Command::new(file);
    for name in ["APP_ENV", "PLUGIN_MANAGER_URL", "PLUGIN_MANAGER_ADMIN", "PLUGIN_MANAGER_TOKEN", "RUST_LOG"] {
        command.env_remove(name);
    }
    Program::start(command.args(["run", "--config"]).arg(&config), log)
}
