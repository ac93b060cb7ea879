//! Whether something answers at a Unix socket.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use plugin_core::{HealthStatus, Probe};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::said;

/// The longest answer, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Healthy when a connection to this socket can be made, which is closed at once; Unhealthy when it cannot.
///
/// As with TCP, the system takes connections for a program that does not look at them: [`unix_line`] asks the program.
pub fn unix(path: impl Into<PathBuf>) -> Probe {
    let path = path.into();
    crate::probe(move || {
        let path = path.clone();
        async move {
            match UnixStream::connect(&path).await {
                Ok(_connection) => HealthStatus::healthy(),
                Err(error) => unreached(&path, &error),
            }
        }
    })
}

/// Sends a line over a new connection, and has its answer judged: the first line that comes, without its line feed and a
/// carriage return before it.
///
/// Unhealthy, without asking the judge, when no connection can be made, none answers, or the answer is longer than 64 KiB.
///
/// ```no_run
/// use plugin_health::{plugin_core::HealthStatus, probes};
///
/// let redis = probes::unix_line("/run/redis/redis.sock", "PING", |answer| match answer {
///     b"+PONG" => HealthStatus::healthy(),
///     _ => HealthStatus::unhealthy("no PONG"),
/// });
/// # drop(redis);
/// ```
pub fn unix_line(
    path: impl Into<PathBuf>,
    line: impl Into<String>,
    judge: impl Fn(&[u8]) -> HealthStatus + Send + Sync + 'static,
) -> Probe {
    let (path, line, judge) = (path.into(), format!("{}\n", line.into()), Arc::new(judge));
    crate::probe(move || {
        let (path, line, judge) = (path.clone(), line.clone(), Arc::clone(&judge));
        async move {
            match ask(&path, line.as_bytes()).await {
                Ok(Some(answer)) => judge(&answer),
                Ok(None) => HealthStatus::unhealthy(format!("the answer at {} has no end", path.display())),
                Err(error) => unreached(&path, &error),
            }
        }
    })
}

/// Asks a plugin that speaks in lines of JSON whether it is there: `{"type":"ping",..}`, which it answers with `"success":true`
/// without credentials. It says nothing of how the plugin is; the transport's own probe asks that (`health`).
pub fn unix_ping(path: impl Into<PathBuf>) -> Probe {
    unix_line(path, r#"{"type":"ping","request_id":"health","data":null}"#, said::ping)
}

fn unreached(path: &Path, error: &io::Error) -> HealthStatus {
    HealthStatus::unhealthy(format!("no answer at {}: {error}", path.display()))
}

/// The first line of the answer; `None` when it is too long.
async fn ask(path: &Path, line: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut connection = UnixStream::connect(path).await?;
    connection.write_all(line).await?;
    let mut answer = Vec::new();
    BufReader::new(connection).take(LONGEST_ANSWER).read_until(b'\n', &mut answer).await?;
    if answer.pop_if(|last| *last == b'\n').is_none() {
        let is_long = u64::try_from(answer.len()).is_ok_and(|length| length >= LONGEST_ANSWER);
        return if is_long { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
    }
    answer.pop_if(|last| *last == b'\r');
    Ok(Some(answer))
}
