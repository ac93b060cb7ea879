//! Where the log goes.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use metrics::{Key, Level, Metadata, Recorder, Unit};
use plugin_core::on_one_line;
use tracing_subscriber::{
    EnvFilter,
    field::RecordFields,
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
};

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
        _ => {
            let log = log.with_ansi(std::io::stderr().is_terminal()).with_target(false);
            log.fmt_fields(OneLine::default()).try_init().is_ok()
        }
    };
    if first {
        // Relaxed: nothing else is read because of it.
        JSON.store(format == LogFormat::Json, Ordering::Relaxed);
        std::panic::set_hook(Box::new(|panic| {
            let trace = Backtrace::capture();
            tracing::error!("{}", panic.to_string().replace('\n', " "));
            if trace.status() == BacktraceStatus::Captured {
                trace.to_string().lines().for_each(|line| tracing::error!("{line}"));
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

/// The message and the fields of an event as they are usually written, on one line: what others have written ends no line of the log,
/// and moves no cursor, whichever field has it.
#[derive(Default)]
struct OneLine(DefaultFields);

impl<'w> FormatFields<'w> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&on_one_line(&text))
    }
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

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

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

    #[test]
    fn an_event_is_one_line_whatever_others_have_written_into_it() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .fmt_fields(OneLine::default());
        let forged = "no licence\nINFO all is well\u{1b}[31m\u{202e}";
        tracing::subscriber::with_default(log.finish(), || {
            let error = plugin_core::PluginError::execution(forged);
            tracing::warn!(plugin = forged, %error, "the plugin's process {forged}");
        });
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(|letter: char| letter.is_control() || letter == '\u{202e}'), "{text:?}");
        assert_eq!(text.matches(r"no licence\nINFO").count(), 3, "{text}");
    }
}
