//! The command line's arguments.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use plugin_core::go_duration;
use plugin_transports::json;
use secrecy::SecretString;

use super::gateway_url::GatewayUrl;
use crate::manager::check_name;

/// What every command ends with.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 it worked; 1 it did not (a gateway that is not reached or says no, a plugin \
                                     that is down, calls that did not finish); 2 the arguments or the configuration are wrong.";

/// Runs plugins behind circuit breakers, retries, limits and health checks, and serves them.
#[derive(Debug, Parser)]
#[command(name = "plugin-manager", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) before: Before,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How to reach a running gateway, said before the command. It is shown with the commands that it is for.
#[derive(Debug, clap::Args)]
pub(super) struct Before {
    #[arg(long, hide = true)]
    url: Option<GatewayUrl>,
    #[arg(long, hide = true)]
    admin: Option<GatewayUrl>,
    #[arg(long, hide = true)]
    token: Option<SecretString>,
    #[arg(long, hide = true)]
    json: bool,
}

impl Before {
    /// Whether JSON was asked for.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// The flags that were given, which a command that talks to no gateway has no use for.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--url", self.url.is_some()),
            ("--admin", self.admin.is_some()),
            ("--token", self.token.is_some()),
            ("--json", self.json),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }
}

/// How to reach a running gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// The data plane of a running gateway [env: PLUGIN_MANAGER_URL=] [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<GatewayUrl>,
    /// The admin plane of a running gateway [env: PLUGIN_MANAGER_ADMIN=] [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL")]
    admin: Option<GatewayUrl>,
    /// A token, for a gateway that wants one [env: PLUGIN_MANAGER_TOKEN=]
    #[arg(long, value_name = "TOKEN")]
    token: Option<SecretString>,
    /// Print JSON: what the gateway answers as it is, and what went wrong as a problem document
    #[arg(long)]
    json: bool,
}

impl Reach {
    /// What was said behind the command, before it, in the environment, in this order.
    pub(super) fn resolve(self, before: Before) -> Remote {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = |said: Option<GatewayUrl>, name, default: &str| {
            said.or_else(|| env(name).map(GatewayUrl::from)).unwrap_or_else(|| default.to_owned().into())
        };
        Remote {
            url: url(self.url.or(before.url), "PLUGIN_MANAGER_URL", "http://127.0.0.1:8080"),
            admin: url(self.admin.or(before.admin), "PLUGIN_MANAGER_ADMIN", "http://127.0.0.1:9090"),
            token: self.token.or(before.token).or_else(|| env("PLUGIN_MANAGER_TOKEN").map(SecretString::from)),
            json: self.json || before.json,
        }
    }
}

/// Where a running gateway is, and how it is talked to.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) url: GatewayUrl,
    pub(super) admin: GatewayUrl,
    pub(super) token: Option<SecretString>,
    pub(super) json: bool,
}

impl Remote {
    /// For a question to the other plane, which is none of the command's: a token of the one goes to nobody else, who may be
    /// anybody that listens there.
    pub(super) fn without_token(&self) -> Self {
        Self { url: self.url.clone(), admin: self.admin.clone(), token: None, json: self.json }
    }
}

/// A command that talks to a running gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Client<T: clap::Args> {
    #[command(flatten)]
    pub(super) what: T,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Nothing besides.
#[derive(Debug, clap::Args)]
pub(super) struct Nothing {}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start a gateway with demo plugins and light traffic; needs no file and nothing else
    Demo(Demo),
    /// Run the gateway that a configuration file describes
    Run(Run),
    /// Check a configuration file and print every fault in it
    Validate(Validate),
    /// Print the JSON Schema of the configuration, for an editor, or a page with every key
    Schema(Schema),
    /// Look at the configuration
    Config(ConfigArgs),
    /// Call a plugin of a running gateway
    Call(Client<Call>),
    /// Show how a running gateway does
    Status(Client<Nothing>),
    /// List the plugins of a running gateway, or tell all that is known of one
    Plugins(Client<Plugins>),
    /// Show the health of every plugin; exit code 1 when any is down
    Health(Client<Nothing>),
    /// Let a plugin finish its calls and take no others, until it is enabled again
    Drain(Client<DrainArgs>),
    /// Stop a plugin's process and start it again; also starts one that has failed
    Restart(Client<NameArgs>),
    /// Switch a plugin on; undoes a drain, and starts a process that has failed
    Enable(Client<NameArgs>),
    /// Switch a plugin off; calls that run are not touched
    Disable(Client<NameArgs>),
    /// Print the completions of a shell: `plugin-manager completions bash > ~/.local/share/bash-completion/completions/plugin-manager`
    Completions(Completions),
    /// Print the manual page: `plugin-manager man | man -l -`
    Man,
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
    /// Lay FILE's variant of this name over it, such as config.production.yaml over config.yaml [env: APP_ENV=]
    #[arg(long, value_name = "NAME")]
    pub(super) env: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Validate {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Print JSON: how many plugins there are, or every fault with its place, key and code
    #[arg(long)]
    pub(super) json: bool,
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
pub(super) struct Completions {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Print every key with its default and bounds, in Markdown
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
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
    #[arg(value_parser = plugin_name)]
    pub(super) name: String,
    /// The payload, which is JSON, such as '{"a": 1}' or '"text"'; or - to read it from standard input
    #[arg(default_value = "null", value_parser = payload)]
    pub(super) payload: String,
    /// How long to wait, such as 500ms
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Option<Duration>,
    /// Calls with the same key go to the same instance
    #[arg(long, value_name = "KEY")]
    pub(super) affinity: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DrainArgs {
    /// The plugin
    #[arg(value_parser = plugin_name)]
    pub(super) name: String,
    /// How long its calls may take to end; the gateway's `shutdown_timeout` without it
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Plugins {
    /// One of them: its state, circuit, calls, errors, limits, retries and instances
    #[arg(value_parser = plugin_name)]
    pub(super) name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct NameArgs {
    /// The plugin
    #[arg(value_parser = plugin_name)]
    pub(super) name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoPlugin {
    /// Which one
    pub(super) name: String,
}

/// No plugin has a name that none may have, so no gateway needs to be asked.
fn plugin_name(name: &str) -> Result<String, String> {
    check_name(name).map(|()| name.to_owned()).map_err(|error| error.message().to_owned())
}

/// What is no JSON would be refused by any gateway.
fn payload(text: &str) -> Result<String, String> {
    match text {
        "-" => Ok(text.to_owned()),
        _ => check_payload(text.as_bytes()).map(|()| text.to_owned()),
    }
}

/// Whether a payload is JSON, and how to write a text as it.
pub(super) fn check_payload(json: &[u8]) -> Result<(), String> {
    json::Limits::none().check(json).map_err(|flaw| {
        let flaw = flaw.to_string();
        let flaw = flaw.strip_prefix("it ").unwrap_or(&flaw);
        format!("the payload {flaw}; a text is written in quotes, as '\"text\"'")
    })
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
    fn where_a_gateway_is_may_be_said_before_the_command_and_behind_it_and_behind_it_counts() {
        let args = ["plugin-manager", "--url", "http://a", "--json", "call", "x", "--url", "http://b"];
        let args = Args::try_parse_from(args).expect("both");
        let Command::Call(call) = args.command else { panic!("a call") };
        let remote = call.reach.resolve(args.before);
        assert_eq!((remote.url.to_string(), remote.json), ("http://b".to_owned(), true));
        for command in ["schema", "run", "demo"] {
            assert!(Args::try_parse_from(["plugin-manager", command, "--url", "http://a"]).is_err(), "{command}");
        }
    }

    #[test]
    fn a_name_that_no_plugin_has_and_a_payload_that_is_no_json_are_wrong_arguments() {
        for (args, says) in [
            (&["call", "", "1"][..], "must not be empty"),
            (&["plugins", "a/b"], "must not"),
            (&["drain", ".."], "must not contain"),
            (&["call", "x", "you"], "a text is written in quotes, as '\"text\"'"),
            (&["call", "x", "{"], "the payload is not JSON"),
            (&["call", "x", ""], "the payload is not JSON"),
        ] {
            let error = Args::try_parse_from([&["plugin-manager"], args].concat()).expect_err("refused");
            assert!(error.exit_code() == 2 && error.to_string().contains(says), "{args:?}: {error}");
        }
        for payload in ["-", "1e999", "[1]", "\"you\""] {
            assert!(Args::try_parse_from(["plugin-manager", "call", "x", payload]).is_ok(), "{payload}");
        }
    }

    #[test]
    fn the_arguments_show_no_token_and_no_password() {
        let secret = ["--token", "hunter2", "--url", "http://me:hunter2@a", "--admin", "http://hunter2@a"];
        for args in [[&["plugin-manager"], &secret[..], &["status"]], [&["plugin-manager", "status"], &secret, &[]]] {
            let args = Args::try_parse_from(args.concat()).expect("arguments");
            assert!(!format!("{args:?}").contains("hunter2"), "{args:?}");
            let Command::Status(status) = args.command else { panic!("it asks for the status") };
            let remote = status.reach.resolve(args.before);
            assert!(!format!("{remote:?}").contains("hunter2"), "{remote:?}");
        }
    }

    #[test]
    fn a_duration_needs_a_unit() {
        assert!(Args::try_parse_from(["plugin-manager", "call", "x", "{}", "--timeout", "5"]).is_err());
        assert!(Args::try_parse_from(["plugin-manager", "call", "x", "{}", "--timeout", "5s"]).is_ok());
    }
}
