//! A Redis server as a process of its own, which ends with what is measured.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use redis::{RedisResult, aio::MultiplexedConnection};
use tempfile::TempDir;

/// So often it is looked whether it listens.
const LOOK: Duration = Duration::from_millis(5);

/// So often at most: ten seconds.
const LOOKS: u32 = 2_000;

pub(super) struct Server {
    child: Child,
    url: String,
    /// Holds its socket, and goes with it.
    _dir: TempDir,
}

impl Server {
    /// On a socket in a directory of its own, with nothing written to a disk.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn start() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| format!("no directory for `redis-server`: {error}"))?;
        let socket = dir.path().join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--unixsocket"]);
        command.arg(&socket).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`redis-server` cannot be run ({error})"))?;
        let mut server = Self { child, url: format!("unix://{}", socket.display()), _dir: dir };
        for _ in 0..LOOKS {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("`redis-server` ended at once ({status})"));
            }
            thread::sleep(LOOK);
        }
        Err("`redis-server` does not listen".to_owned())
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        redis::Client::open(self.url())?.get_multiplexed_async_connection().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
