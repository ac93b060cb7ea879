//! Where the log goes.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use metrics::{Key, Level, Metadata, Recorder, Unit};
use tracing_subscriber::EnvFilter;

use super::{
    plain_json,
    streams::{self, Stderr},
};
use crate::config::LogFormat;

/// How long a panic, and the end of what a builder built, wait until they are written.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(200);

const DROPPED: &str = "plugin_manager_dropped_log_lines_total";
/// Whether what is written to standard error is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

static METADATA: Metadata<'static> = Metadata::new("plugin_manager", Level::INFO, Some("plugin_manager"));

/// Writes the log to standard error, as text or as one JSON object per line. `directives` are those of
/// `tracing_subscriber::EnvFilter`, such as `info,plugin_manager=debug`.
///
/// A thread of its own writes it, so that whoever logs never waits for whoever reads: of what is not read in time 1 MiB
/// waits, and further lines are [dropped]. A program whose end is near calls [`flush`] first; what a builder built does so
/// when it is dropped. Panics are told of in the same way.
///
/// The first call in a process counts; the result says whether it was this one.
#[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
pub fn init(directives: &str, format: LogFormat) -> bool {
    let filter = EnvFilter::builder().parse_lossy(directives);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    // They would be told of by `eprintln!`, which panics when standard error is what is gone.
    let log = log.log_internal_errors(false);
    let first = match format {
        LogFormat::Json => log.json().flatten_event(true).with_writer(|| JsonStderr).try_init().is_ok(),
        _ => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init().is_ok(),
    };
    if first {
        // Relaxed: nothing else is read because of it.
        JSON.store(format == LogFormat::Json, Ordering::Relaxed);
        std::panic::set_hook(Box::new(|panic| {
            let trace = Backtrace::capture();
            match trace.status() {
                BacktraceStatus::Captured => tracing::error!("{panic}\n{trace}"),
                _ => tracing::error!("{panic}"),
            }
            // Where it goes on, it waits for nobody: a plugin that panics in each call would hold up all others behind a log
            // that nobody reads.
            if cfg!(panic = "abort") {
                streams::flush(LAST_WORDS);
            }
        }));
    }
    first
}

/// Standard error for lines that are JSON, each of which comes as a whole.
struct JsonStderr;

impl Write for JsonStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Ok(json) = std::str::from_utf8(line) else { return Stderr.write(line) };
        Stderr.write_all(plain_json(json).as_bytes()).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Stderr.flush()
    }
}

/// Whether each line on standard error is to be JSON, since the log is.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Waits until the log was written, at most for this time.
pub fn flush(limit: Duration) {
    streams::flush(limit);
}

/// Shows the lines that were dropped on the page of these metrics.
pub(super) fn show_dropped(recorder: &impl Recorder) {
    let help = "Lines of the program's own log that were dropped, since nobody read them in time.";
    recorder.describe_counter(DROPPED.into(), Some(Unit::Count), help.into());
    streams::show_dropped(recorder.register_counter(&Key::from_static_name(DROPPED), &METADATA));
}

/// Waits, when it is dropped, until the log was written, at most for this time, so that the last lines of a program are not lost with it.
#[derive(Debug)]
pub(crate) struct FlushOnDrop(pub(crate) Duration);

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        streams::flush(self.0);
    }
}

/// How many lines of the log were dropped so far, because nobody read standard error in time. The log tells of them once
/// somebody does.
#[must_use]
pub fn dropped() -> u64 {
    streams::dropped()
}
