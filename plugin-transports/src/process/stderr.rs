//! The child's stderr, line by line into the log.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use plugin_core::{clock, on_one_line};
use tokio::{io::AsyncRead, task::JoinHandle, time::sleep};
use tokio_util::io::poll_read_buf;

use super::StderrConfig;
use crate::{
    lines::{
        log::Pace,
        split::{Line, Lines},
    },
    wire::confidential::Confidential,
};

/// How much of the newest output is kept, to say why a plugin did not start.
const TAIL_LINES: usize = 8;
const TAIL_LINE: usize = 200;

/// So much of each is kept, so that what nobody is to hear is known by more than its beginning.
const TAIL_KEPT: usize = 1 << 10;

/// The newest lines, as they came: few are ever told, and many may come.
#[derive(Debug, Default)]
struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(TAIL_KEPT)].to_owned());
    }

    fn text(&self, confidential: &Confidential) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |line: &String| {
            let hidden = confidential.hidden(line);
            on_one_line(hidden.as_ref().unwrap_or(line)).chars().take(TAIL_LINE).collect::<String>()
        };
        lines.iter().map(told).collect::<Vec<_>>().join("\n")
    }
}

/// Reads stderr until its end. Dropping it stops reading, which is for a process that is gone: a grandchild may hold
/// the pipe open for ever.
#[derive(Debug)]
pub(super) struct Stderr {
    tail: Arc<Tail>,
    confidential: Confidential,
    task: JoinHandle<()>,
}

impl Stderr {
    /// `dropped` counts the lines that were too many.
    pub(super) fn follow(
        plugin: Arc<str>,
        reader: impl AsyncRead + Unpin + Send + 'static,
        config: StderrConfig,
        confidential: Confidential,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        let tail = Arc::new(Tail::default());
        let (pace, hides) = (Pace::new(config.lines_per_second), confidential.clone());
        let log = Log { plugin, tail: tail.clone(), pace, confidential: hides, dropped };
        let task = tokio::spawn(read(log, reader, config.max_line));
        Self { tail, confidential, task }
    }

    /// The newest lines, oldest first.
    pub(super) fn tail(&self) -> String {
        self.tail.text(&self.confidential)
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

async fn read(mut log: Log, mut reader: impl AsyncRead + Unpin, max_line: usize) {
    let mut lines = Lines::of_text(max_line);
    loop {
        let more = std::future::poll_fn(|cx| poll_read_buf(std::pin::Pin::new(&mut reader), cx, lines.room()));
        let read = tokio::select! {
            biased;
            read = more => read,
            // A plugin that falls silent must not leave it untold.
            () = sleep(log.pace.left(clock::now())), if log.pace.has_dropped() => {
                log.tell_dropped();
                continue;
            }
        };
        while let Some(line) = lines.next_line() {
            match line {
                Line::Whole(text) => log.line(&text, false),
                Line::TooLong(head, _) => log.line(&head, true),
            }
        }
        if !matches!(read, Ok(1..)) {
            break;
        }
    }
    if let Some(rest) = lines.rest() {
        log.line(&rest, false);
    }
    log.tell_dropped();
}

/// Where the lines go.
struct Log {
    plugin: Arc<str>,
    tail: Arc<Tail>,
    pace: Pace,
    confidential: Confidential,
    dropped: Arc<AtomicU64>,
}

impl Log {
    fn line(&mut self, bytes: &[u8], cut: bool) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        self.tail.push(text);
        let now = clock::now();
        if self.pace.left(now).is_zero() {
            self.tell_dropped();
            self.pace.begin(now);
        }
        // In a log without targets nothing else says whose sentence it is.
        let (plugin, source) = (&*self.plugin, "stderr");
        if !self.pace.admit() {
            // Relaxed: a number for display.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let hidden = self.confidential.hidden(text);
        let text = on_one_line(hidden.as_deref().unwrap_or(text));
        if cut {
            tracing::info!(target: "plugin::stderr", plugin, source, cut, "{text}");
        } else {
            tracing::info!(target: "plugin::stderr", plugin, source, "{text}");
        }
    }

    fn tell_dropped(&mut self) {
        let dropped = self.pace.take_dropped();
        if dropped > 0 {
            let (plugin, most) = (&*self.plugin, self.pace.most());
            tracing::warn!(
                plugin,
                dropped,
                lines_per_second = most,
                "lines of the plugin's stderr were too many, and dropped"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
        let reader = io::Cursor::new(bytes.to_vec());
        let mut stderr =
            Stderr::follow("noisy".into(), reader, StderrConfig::default(), Confidential::default(), Arc::default());
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
        assert_eq!(events[0]["fields"]["source"], "stderr", "a log without targets tells it from the host's own");
        let texts: Vec<_> = events.iter().map(|event| event["fields"]["message"].clone()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(tail, "first\nsecond");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_and_control_characters_do_no_harm() {
        let (events, _) = logged(b"a\xffb\x1b[31m\x07\tc\n").await;
        assert_eq!(events[0]["fields"]["message"], "a\u{fffd}b\\u{1b}[31m\\u{7}\tc");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_cut_and_the_tail_is_short() {
        let mut bytes = vec![b'x'; 10 << 20];
        bytes.extend_from_slice(b"\nlast\n");
        let (events, tail) = logged(&bytes).await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["fields"]["cut"], true);
        let kept = events[0]["fields"]["message"].as_str().expect("text").len();
        assert_eq!(kept, StderrConfig::default().max_line(), "as much as a line may have");
        assert!(tail.len() <= TAIL_LINES * (TAIL_LINE + 1) && tail.ends_with("last"));
    }

    #[tokio::test(start_paused = true)]
    async fn more_lines_than_a_second_may_have_are_dropped_counted_and_told_of() {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(written.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (mut plugin, reader) = tokio::io::duplex(1 << 20);
        let dropped = Arc::new(AtomicU64::new(0));
        let config = StderrConfig::new(10, 1024).expect("in bounds");
        let mut stderr = Stderr::follow("noisy".into(), reader, config, Confidential::default(), dropped.clone());
        let logged = |written: &Written| {
            let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
            (text.lines().count(), text.lines().last().unwrap_or_default().to_owned())
        };
        let many = "line\n".repeat(50_000);
        tokio::io::AsyncWriteExt::write_all(&mut plugin, many.as_bytes()).await.expect("it is read");
        tokio::time::sleep(SECOND / 2).await;
        assert_eq!((logged(&written).0, dropped.load(Ordering::Relaxed)), (10, 49_990));
        // Told in time although nothing follows.
        tokio::time::sleep(SECOND).await;
        let (count, last) = logged(&written);
        assert!(count == 11 && last.contains("\"dropped\":49990") && last.contains("noisy"), "{count} {last}");
        tokio::io::AsyncWriteExt::write_all(&mut plugin, b"next\n").await.expect("it is read");
        drop(plugin);
        stderr.end().await;
        assert_eq!(logged(&written).0, 12, "a second later there is room again, and nothing to tell");
        assert!(stderr.tail().ends_with("next"), "{}", stderr.tail());
    }
}
