//! What can be typed.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use plugin_core::go_duration;

/// Runs plugins behind circuit breakers, retries, limits and health checks, and serves them.
#[derive(Debug, Parser)]
#[command(name = "plugin-manager", version, about, propagate_version = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) remote: Remote,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How to reach a running gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Remote {
    /// The data plane of a running gateway
    #[arg(
        long,
        global = true,
        env = "PLUGIN_MANAGER_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub(super) url: String,
    /// The admin plane of a running gateway
    #[arg(
        long,
        global = true,
        env = "PLUGIN_MANAGER_ADMIN",
        default_value = "http://127.0.0.1:9090",
        value_name = "URL"
    )]
    pub(super) admin: String,
    /// A token, for a gateway that wants one
    #[arg(long, global = true, env = "PLUGIN_MANAGER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) token: Option<String>,
    /// Print the gateway's JSON as it is
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start a gateway with demo plugins and light traffic; needs no file and nothing else
    Demo(Demo),
    /// Run the gateway that a configuration file describes
    Run(Run),
    /// Check a configuration file and print every fault in it
    Validate(ConfigFile),
    /// Print the JSON Schema of the configuration, for an editor, or a page with every key
    Schema(Schema),
    /// Look at the configuration
    Config(Config),
    /// Call a plugin of a running gateway
    Call(Call),
    /// Show how a running gateway does
    Status,
    /// List the plugins of a running gateway
    Plugins,
    /// Show the health of every plugin; exit code 1 when any is down
    Health,
    /// Let a plugin finish its calls and take no others, until it is enabled again
    Drain(Drain),
    /// Stop a plugin's process and start it again; also starts one that has failed
    Restart(Name),
    /// Switch a plugin on; undoes a drain, and starts a process that has failed
    Enable(Name),
    /// Switch a plugin off; calls that run are not touched
    Disable(Name),
    /// Serve one of the demo's plugins on standard input and output
    #[command(hide = true)]
    Plugin(DemoPlugin),
}

#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where the data plane listens; port 0 takes any free port
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(super) listen: std::net::SocketAddr,
    /// Where the admin plane listens; port 0 takes any free port
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    pub(super) admin_listen: std::net::SocketAddr,
    /// Stop after this time
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) stop_after: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration: YAML, JSON or TOML; - reads it from standard input, and its paths start from here
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Lay FILE's variant of this name over it, such as config.production.yaml over config.yaml
    #[arg(long, env = "APP_ENV", value_name = "NAME")]
    pub(super) env: Option<String>,
}

impl ConfigFile {
    pub(super) fn is_stdin(&self) -> bool {
        self.config.as_os_str() == "-"
    }

    /// What messages call it.
    pub(super) fn shown(&self) -> std::path::Display<'_> {
        if self.is_stdin() { std::path::Path::new("stdin").display() } else { self.config.display() }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Print every key with its default and bounds, in Markdown
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Config {
    #[command(subcommand)]
    pub(super) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the configuration in effect, secrets as ***
    Show(ConfigFile),
}

#[derive(Debug, clap::Args)]
pub(super) struct Call {
    /// The plugin
    pub(super) name: String,
    /// The payload, or - to read it from standard input
    #[arg(default_value = "null")]
    pub(super) payload: String,
    /// How long to wait, such as 500ms
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Option<Duration>,
    /// Calls with the same key go to the same instance
    #[arg(long, value_name = "KEY")]
    pub(super) affinity: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Drain {
    /// The plugin
    pub(super) name: String,
    /// How long its calls may take to end; the gateway's `shutdown_timeout` without it
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Name {
    /// The plugin
    pub(super) name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoPlugin {
    /// Which one
    pub(super) name: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    go_duration::parse(text).map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_duration_needs_a_unit() {
        assert!(Args::try_parse_from(["plugin-manager", "call", "x", "{}", "--timeout", "5"]).is_err());
        assert!(Args::try_parse_from(["plugin-manager", "call", "x", "{}", "--timeout", "5s"]).is_ok());
    }
}
