//! The child's stderr, line by line into the log.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{io::AsyncRead, task::JoinHandle};
use tokio_util::io::poll_read_buf;

use crate::lines::split::{Line, Lines};

/// A log line longer than this is cut.
const LINE: usize = 16 * 1024;

/// How much of the newest output is kept, to say why a plugin did not start.
const TAIL_LINES: usize = 8;
const TAIL_LINE: usize = 200;

/// The newest lines.
#[derive(Debug, Default)]
struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(TAIL_LINE).collect());
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Reads stderr until its end. Dropping it stops reading, which is for a process that is gone: a grandchild may hold
/// the pipe open for ever.
#[derive(Debug)]
pub(super) struct Stderr {
    tail: Arc<Tail>,
    task: JoinHandle<()>,
}

impl Stderr {
    pub(super) fn follow(plugin: Arc<str>, reader: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::new(Tail::default());
        let task = tokio::spawn(read(plugin, reader, tail.clone()));
        Self { tail, task }
    }

    /// The newest lines, oldest first.
    pub(super) fn tail(&self) -> String {
        self.tail.text()
    }

    /// Waits until everything was read.
    pub(super) async fn end(&mut self) {
        // The task cannot panic, and is only aborted by our own drop.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(plugin: Arc<str>, mut reader: impl AsyncRead + Unpin, tail: Arc<Tail>) {
    let mut lines = Lines::new(LINE);
    loop {
        let read = std::future::poll_fn(|cx| poll_read_buf(std::pin::Pin::new(&mut reader), cx, lines.room())).await;
        while let Some(line) = lines.next_line() {
            match line {
                Line::Whole(text) => log(&plugin, &text, &tail, false),
                Line::TooLong(head) => log(&plugin, &head, &tail, true),
            }
        }
        if !matches!(read, Ok(1..)) {
            break;
        }
    }
    if let Some(rest) = lines.rest() {
        log(&plugin, &rest, &tail, false);
    }
}

fn log(plugin: &str, bytes: &[u8], tail: &Tail, cut: bool) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    // A plugin must not be able to forge lines of the host's log, or to move the cursor of who reads it.
    let text: String = text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    tail.push(&text);
    if cut {
        tracing::info!(target: "plugin::stderr", plugin, cut, "{text}");
    } else {
        tracing::info!(target: "plugin::stderr", plugin, "{text}");
    }
}
