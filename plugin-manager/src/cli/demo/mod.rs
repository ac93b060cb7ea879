//! The gateway with plugins that come along, and something to look at.

mod plugins;
mod traffic;

use std::{net::SocketAddr, path::Path, time::Duration};

use plugin_core::{PluginError, clock};
use plugin_transports::{
    grpc::{self, GrpcServerOptions},
    http::{self, ServerOptions},
    listen::{Serving, SocketPath, UnixSocket, UnixSocketOptions},
    unix::{self, UnixServerOptions},
};
use tokio::net::TcpListener;

use crate::{
    cli::{CommandFault, Outcome, StopSignals, finish, tell},
    config::{self, LogFormat},
    launch::{Factories, Running, logging},
};

pub(crate) use plugins::serve_plugin;

/// When the demo kills its own subprocess, to show what happens then.
const KILL_AFTER: Duration = Duration::from_secs(12);
/// How often a line sums up.
const SUMMARY_EVERY: Duration = Duration::from_secs(5);

/// Runs the demo until Ctrl-C, or for as long as `stop_after` says.
pub(crate) async fn run(listen: SocketAddr, admin_listen: SocketAddr, stop_after: Option<Duration>) -> Outcome {
    logging::init("info", LogFormat::Text);
    // Before there is anything to stop.
    let mut stop = StopSignals::new()?;
    let served = Served::start().await?;
    let config = served.configuration()?;
    let config = config.clone().with_server(config.server().clone().with_listen(listen));
    let config = config.clone().with_admin(config.admin().clone().with_listen(admin_listen));
    let factories = Factories::new().with_plugin("greeter", plugins::greeter());
    let running = Running::start(&config, &factories).await.map_err(|error| {
        // There is no file whose keys could be meant.
        let said = error.to_string().replace("`server.listen`", "`--listen`");
        CommandFault::Failed(said.replace("`admin.listen`", "`--admin-listen`"))
    })?;
    introduce(&running);
    let traffic = tokio::spawn(traffic::run(running.gateway().data_addr()));
    watch(&running, stop_after, &mut stop).await;
    traffic.abort();
    let code = finish(running, stop).await;
    // After the gateway, whose calls they serve.
    served.stop().await;
    code
}

/// The plugins of the demo that are reached over a network, which are served here.
struct Served {
    weather: Serving,
    fahrenheit: Serving,
    reverse: Serving<SocketPath>,
}

impl Served {
    /// On any free ports, and under a name that no other process has.
    async fn start() -> Result<Self, CommandFault> {
        let failed = |name: &'static str| {
            move |error: std::io::Error| {
                CommandFault::Failed(format!("the demo's plugin {name} cannot listen: {error}"))
            }
        };
        let port = async || TcpListener::bind("127.0.0.1:0").await;
        let at = failed("weather");
        let weather = http::serve(plugins::weather(clock::now()), port().await.map_err(at)?, ServerOptions::new());
        let at = failed("fahrenheit");
        let fahrenheit = grpc::serve(plugins::fahrenheit(), port().await.map_err(at)?, GrpcServerOptions::new());
        // An abstract name leaves no file behind, however the demo ends.
        let name = format!("@plugin-manager-demo-{}", std::process::id()).parse::<SocketPath>();
        let name = name.map_err(|error| CommandFault::Failed(error.to_string()))?;
        let at = failed("reverse");
        let socket = UnixSocket::bind(&name, UnixSocketOptions::new()).await.map_err(at)?;
        let reverse = unix::serve(plugins::reverse(), socket, UnixServerOptions::new());
        Ok(Self {
            weather: weather.map_err(failed("weather"))?,
            fahrenheit: fahrenheit.map_err(failed("fahrenheit"))?,
            reverse: reverse.map_err(at)?,
        })
    }

    /// The configuration of the demo, as a file would have it.
    fn configuration(&self) -> Result<config::Config, CommandFault> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|error| CommandFault::Failed(format!("this program's file is not known: {error}")))?;
        // JSON text is a YAML scalar whatever is in it.
        let program = serde_json::Value::from(program.to_string_lossy().into_owned());
        let text = format!(
            "
default_health_check: {{interval: 2s, timeout: 1s}}
plugins:
  - {{name: greeter, transport: inproc, type: greeter}}
  - {{name: wordcount, transport: exec, executable: {program}, args: [plugin, wordcount]}}
  - name: weather
    transport: http
    endpoint: 'http://{}/'
    circuit_breaker: {{failure_threshold: 5, recovery_timeout: 3s}}
  - {{name: fahrenheit, transport: grpc, endpoint: '{}'}}
  - {{name: reverse, transport: unix, endpoint: '{}'}}
",
            self.weather.local_addr(),
            self.fahrenheit.local_addr(),
            self.reverse.local_addr(),
        );
        config::from_text(Path::new("demo.yaml"), &text, None, &|_| None)
            .map_err(|faults| CommandFault::Failed(format!("the demo's configuration has faults\n{faults}")))
    }

    async fn stop(self) {
        let limit = Duration::from_secs(1);
        let Self { weather, fahrenheit, reverse } = self;
        // What had to be cut off is nobody's concern any more.
        let _: [Result<(), PluginError>; 3] =
            tokio::join!(weather.shutdown(limit), fahrenheit.shutdown(limit), reverse.shutdown(limit)).into();
    }
}

fn introduce(running: &Running) {
    let (data, admin) = (running.gateway().data_addr(), running.gateway().admin_addr());
    let options = if data.port() == 8080 && admin.port() == 9090 {
        String::new()
    } else {
        format!(" \\\n    --url http://{data} --admin http://{admin}")
    };
    let (program, kill) = (program(), running.process("wordcount").and_then(|process| process.pid()));
    let kill = kill
        .map_or_else(String::new, |pid| format!("\n  kill -9 {pid}  # the subprocess comes back, with another PID"));
    tell(format_args!(
        "
A gateway with five plugins: greeter (in this process), wordcount (a
subprocess), weather (over HTTP), fahrenheit (over gRPC), reverse (over a Unix
socket). Light traffic is on its way to all of them.
The weather fails now and then: watch its breaker.

Open
  http://{admin}/metrics
  http://{admin}/health
  http://{admin}/admin/v1/plugins

Type, in another terminal
  curl -s http://{data}/v1/plugins/greeter --json '\"you\"'
  {program} plugins{options}
  {program} call wordcount '\"to be or not to be\"'{options}{kill}

Ctrl-C drains and stops.
"
    ));
}

/// How this program is started from here: by its name where PATH has it, or by its path.
fn program() -> String {
    let name = "plugin-manager";
    let Ok(path) = std::env::current_exe() else { return name.to_owned() };
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&dirs).any(|dir| dir.join(name) == path) {
        return name.to_owned();
    }
    let from_here = std::env::current_dir().ok().and_then(|dir| Some(path.strip_prefix(dir).ok()?.to_owned()));
    quoted(&match from_here {
        // The shell looks for a bare name in PATH alone.
        Some(bare) if bare.components().count() == 1 => format!("./{}", bare.display()),
        Some(path) => path.display().to_string(),
        None => path.display().to_string(),
    })
}

/// As a shell reads it as one word.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Shows what happens until it is time to stop.
async fn watch(running: &Running, stop_after: Option<Duration>, stop: &mut StopSignals) {
    let mut summaries = tokio::time::interval(SUMMARY_EVERY);
    summaries.tick().await;
    let kill = tokio::time::sleep(KILL_AFTER);
    let end = tokio::time::sleep(stop_after.unwrap_or(Duration::MAX));
    tokio::pin!(kill, end);
    let mut killed = false;
    loop {
        tokio::select! {
            () = stop.next() => return,
            () = &mut end => return,
            _ = summaries.tick() => tell(traffic::summary(&running.manager().list()).trim_end()),
            () = &mut kill, if !killed => {
                killed = true;
                kill_wordcount(running);
            }
        }
    }
}

fn kill_wordcount(running: &Running) {
    let Some(pid) = running.process("wordcount").and_then(|process| process.pid()) else { return };
    tell(format_args!("The demo now does: kill -9 {pid}, the subprocess of wordcount"));
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL)) {
        tell(format_args!("and that did not work: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_printed_as_a_shell_takes_it() {
        assert_eq!(quoted("target/release/plugin-manager"), "target/release/plugin-manager");
        assert_eq!(quoted("/my tools/it's/plugin-manager"), r"'/my tools/it'\''s/plugin-manager'");
    }
}
