//! tokio alone: a line to a Unix socket or into a pipe, and a line back.

use std::{path::PathBuf, process::Stdio, sync::Arc};

use plugin_transports::listen::Listen;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::UnixStream,
    process::{Child, Command},
    sync::Mutex,
};

use super::{gate::Gate, load::Load, site::Site};
use crate::{groups::child, harness::Caller};

/// A server that gives back each line, on a Unix socket, once it has passed the gate where there is one.
pub(super) fn serve(site: &Site, gate: Option<Gate>) -> PathBuf {
    let (listener, path) = site.socket();
    site.serve(async move {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream, gate.clone()));
            }
        });
    });
    path
}

/// How a connection ends is of no interest: the client sees its part.
async fn echo(stream: UnixStream, gate: Option<Gate>) {
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        if let Some(gate) = &gate {
            gate.pass().await;
        }
        if writer.write_all(&line).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Callers of `server`, each with a connection of its own.
pub(super) async fn callers(server: PathBuf, load: &Load) -> Vec<SocketCaller> {
    let mut callers = Vec::with_capacity(load.callers);
    for _ in 0..load.callers {
        let (reader, writer) = UnixStream::connect(&server).await.expect("a server").into_split();
        callers.push(SocketCaller(Lines { reader: BufReader::new(reader), writer, line: Vec::new() }, said(load)));
    }
    callers
}

/// Callers of one process, which is asked one thing at a time.
pub(super) async fn callers_of_process(mode: &str, load: &Load) -> Vec<PipeCaller> {
    let mut command = Command::new(child::program());
    // Without it a plugin takes itself for started by hand.
    command.env("AGILIRA_PLUGIN_MAGIC_COOKIE", "agilira-go-plugins-v1");
    command.arg(child::ARGUMENT).arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("this program");
    let (reader, writer) = (child.stdout.take().expect("a pipe"), child.stdin.take().expect("a pipe"));
    let lines = Lines { reader: BufReader::new(reader), writer, line: Vec::new() };
    let shared = Arc::new((Mutex::new(lines), child));
    (0..load.callers).map(|_| PipeCaller(Arc::clone(&shared), said(load))).collect()
}

fn said(load: &Load) -> Said {
    Said { line: format!("{}\n", load.text()), back: load.back.map(|length| length + 1) }
}

/// A line, and how long its answer is.
struct Said {
    line: String,
    back: Option<usize>,
}

struct Lines<R, W> {
    reader: BufReader<R>,
    writer: W,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lines<R, W> {
    async fn call(&mut self, said: &Said) {
        self.writer.write_all(said.line.as_bytes()).await.expect("an open pipe or socket");
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line).await.expect("an answer");
        assert!(read > 0 && said.back.is_none_or(|length| read == length), "{read} bytes came back");
    }
}

pub(super) struct SocketCaller(Lines<tokio::net::unix::OwnedReadHalf, tokio::net::unix::OwnedWriteHalf>, Said);

impl Caller for SocketCaller {
    async fn call(&mut self) {
        self.0.call(&self.1).await;
    }
}

type Pipes = Lines<tokio::process::ChildStdout, tokio::process::ChildStdin>;

/// The process lives as long as somebody may call it.
pub(super) struct PipeCaller(Arc<(Mutex<Pipes>, Child)>, Said);

impl Caller for PipeCaller {
    async fn call(&mut self) {
        self.0.0.lock().await.call(&self.1).await;
    }
}
