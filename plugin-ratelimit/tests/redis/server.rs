//! A server as a process of its own, in a directory of its own.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;

use super::within;

pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    args: Vec<String>,
    url: String,
}

impl Server {
    /// On a socket, so that no port can be taken by somebody else.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("redis.sock");
        let url = format!("unix://{}", socket.display());
        let own = ["--port", "0", "--unixsocket", socket.to_str().expect("UTF-8")];
        Self::run(dir, url, own.iter().chain(args).map(ToString::to_string).collect()).await
    }

    /// On a port that was free a moment ago.
    pub(crate) async fn on_port(port: u16, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let own = ["--port".to_owned(), port.to_string(), "--bind".to_owned(), "127.0.0.1".to_owned()];
        let args = own.into_iter().chain(args.iter().map(ToString::to_string)).collect();
        Self::run(dir, format!("redis://127.0.0.1:{port}"), args).await
    }

    async fn run(dir: TempDir, url: String, args: Vec<String>) -> Self {
        let child = spawn(&dir, &args);
        let server = Self { child, dir, args, url };
        server.until_it_answers().await;
        server
    }

    async fn until_it_answers(&self) {
        let client = redis::Client::open(self.url.as_str()).expect("a URL");
        within(async {
            loop {
                // A server with a password answers too.
                match client.get_multiplexed_async_connection().await {
                    Ok(mut connection) => match redis::cmd("PING").query_async::<String>(&mut connection).await {
                        Err(error) if error.is_io_error() => {}
                        _ => return,
                    },
                    Err(error) if error.code() == Some("NOAUTH") => return,
                    Err(_) => {}
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(&self.dir, &self.args);
        self.until_it_answers().await;
    }

    /// Lets it hang, as a machine does that is out of memory, or let it go on.
    pub(crate) fn hang(&self, hangs: bool) {
        let signal = if hangs { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("`kill` is there").success());
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).expect("a URL");
        within(client.get_multiplexed_async_connection()).await.expect("a connection")
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = Cmd::new();
        words.by_ref().for_each(|word| {
            cmd.arg(word);
        });
        within(cmd.query_async(&mut self.connection().await)).await.expect(command)
    }

    /// How often the script of decisions was called.
    pub(crate) async fn scripts(&self) -> u64 {
        let stats: String = self.query("INFO commandstats").await;
        let calls = |name: &str| {
            let line = stats.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("calls=0,");
            line.split(',').next().and_then(|calls| calls.strip_prefix("calls=")?.parse::<u64>().ok()).expect("a count")
        };
        calls("cmdstat_evalsha:")
    }

    /// The time of the server.
    pub(crate) async fn now(&self) -> f64 {
        let (seconds, micros): (f64, f64) = self.query("TIME").await;
        seconds + micros / 1e6
    }
}

fn spawn(dir: &TempDir, args: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).args(args).current_dir(dir.path());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.unwrap_or_else(|error| {
        panic!("`redis-server` cannot be run ({error}): on Debian and Ubuntu: sudo apt-get install redis-server")
    })
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
