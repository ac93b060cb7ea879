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
    let mut lines = Lines::of_text(LINE);
    loop {
        let read = std::future::poll_fn(|cx| poll_read_buf(std::pin::Pin::new(&mut reader), cx, lines.room())).await;
        while let Some(line) = lines.next_line() {
            match line {
                Line::Whole(text) => log(&plugin, &text, &tail, false),
                Line::TooLong(head, _) => log(&plugin, &head, &tail, true),
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

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is logged when a plugin writes these bytes and then ends.
    async fn logged(bytes: &[u8]) -> (Vec<serde_json::Value>, String) {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(written.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let mut stderr = Stderr::follow("noisy".into(), io::Cursor::new(bytes.to_vec()));
        stderr.end().await;
        let text = written.0.lock().expect("no panic").clone();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        (lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect(), stderr.tail())
    }

    #[tokio::test]
    async fn each_line_becomes_an_event_that_names_the_plugin() {
        let (events, tail) = logged(b"first\r\n\nsecond").await;
        assert_eq!(events.len(), 2);
        assert_eq!((&events[0]["target"], &events[0]["fields"]["plugin"]), (&"plugin::stderr".into(), &"noisy".into()));
        let texts: Vec<_> = events.iter().map(|event| event["fields"]["message"].clone()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(tail, "first\nsecond");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_and_control_characters_do_no_harm() {
        let (events, _) = logged(b"a\xffb\x1b[31m\x07\tc\n").await;
        assert_eq!(events[0]["fields"]["message"], "a\u{fffd}b\u{fffd}[31m\u{fffd}\tc");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_cut_and_the_tail_is_short() {
        let mut bytes = vec![b'x'; 10 << 20];
        bytes.extend_from_slice(b"\nlast\n");
        let (events, tail) = logged(&bytes).await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["fields"]["cut"], true);
        assert!(events[0].to_string().len() < LINE);
        assert!(tail.len() <= TAIL_LINES * (TAIL_LINE + 1) && tail.ends_with("last"));
    }
}
