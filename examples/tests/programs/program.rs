//! A program under test.

use std::{ffi::OsStr, net::SocketAddr, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpSocket,
    process::{Child, ChildStdout, Command},
};

/// Waits for a result, not for ever. The limit is only there to end a test that hangs.
pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it takes no minute")
}

/// A program that runs, and is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn start<A: AsRef<OsStr>>(path: &str, args: impl IntoIterator<Item = A>) -> Self {
        let mut child = Command::new(path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, output }
    }

    /// The address that it says it listens on.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let line = within(self.output.next_line()).await.expect("text").expect("a line before it ends");
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?} tells no address"));
        address.parse().expect("an address")
    }

    /// Presses Ctrl-C; the program must end in good order.
    pub(crate) async fn interrupt(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
        kill_process(pid, Signal::INT).expect("the signal is sent");
        let status = within(self.child.wait()).await.expect("it is waited for");
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// What it prints until it ends by itself, and its exit code.
    pub(crate) async fn finish(mut self) -> (Vec<String>, Option<i32>) {
        let mut lines = Vec::new();
        while let Some(line) = within(self.output.next_line()).await.expect("text") {
            lines.push(line);
        }
        let status = within(self.child.wait()).await.expect("it is waited for");
        (lines, status.code())
    }
}

/// An address at which nobody listens, nor will while this is held: the port is taken.
pub(crate) struct Nobody {
    pub(crate) address: SocketAddr,
    _socket: TcpSocket,
}

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        Self { address: socket.local_addr().expect("bound"), _socket: socket }
    }
}
