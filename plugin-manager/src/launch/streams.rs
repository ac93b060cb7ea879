//! Standard error and standard output, each written by a thread of its own: nobody waits for whoever reads them.
//!
//! A pipe that nobody reads takes 64 KiB and then holds whoever writes to it, for ever. Were that a worker of the runtime, a
//! pager that stands still, or a plugin that logs a lot, would stop the gateway with its probes and its signals.

use std::{
    collections::VecDeque,
    io,
    os::fd::BorrowedFd,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use metrics::Counter;
use plugin_core::clock::{self, Instant};
use rustix::io::Errno;

/// Bytes that wait to be written, at most. What comes on top is dropped, and counted.
const MAX_WAITING: usize = 1 << 20;

/// So often a reader who is slow is told that lines were dropped.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The room that takes.
const TELLING: usize = 1 << 10;

/// How long a writer waits where a stream is not to be waited for.
const LOOK: Duration = Duration::from_millis(10);

static STDERR: Queue = Queue::new("log", rustix::stdio::stderr);
static STDOUT: Queue = Queue::new("stdout", rustix::stdio::stdout);

struct Queue {
    /// The name of its thread.
    name: &'static str,
    stream: fn() -> BorrowedFd<'static>,
    state: Mutex<State>,
    /// There is something to write.
    more: Condvar,
    /// Everything was written.
    less: Condvar,
}

struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line has been taken, and is being written.
    busy: bool,
    /// Whether there is a thread that writes.
    started: bool,
    dropped: u64,
    /// Of those, how many the log has told of, and when.
    told: u64,
    told_at: Option<Instant>,
    /// Where the metrics have them.
    shown: Option<Counter>,
}

impl State {
    const fn new() -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            busy: false,
            started: false,
            dropped: 0,
            told: 0,
            told_at: None,
            shown: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !self.busy
    }

    /// Takes a line, unless too much waits. A single one always fits.
    fn push(&mut self, line: &[u8]) -> bool {
        let fits = self.lines.is_empty() || self.bytes + line.len() <= MAX_WAITING;
        if fits {
            self.bytes += line.len();
            self.lines.push_back(line.to_vec());
        } else {
            self.dropped += 1;
            self.show();
        }
        fits
    }

    /// Lines of which the log is to be told now that they were dropped: where there is room again, and to a reader who is slow,
    /// and for whom there never is, from time to time.
    fn tell_of_dropped(&mut self) -> Option<u64> {
        let dropped = self.dropped - self.told;
        let is_late =
            || self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) && self.bytes + TELLING <= MAX_WAITING;
        if dropped == 0 || !(self.lines.is_empty() || is_late()) {
            return None;
        }
        (self.told, self.told_at) = (self.dropped, Some(clock::now()));
        Some(dropped)
    }

    fn show(&self) {
        if let Some(counter) = &self.shown {
            counter.absolute(self.dropped);
        }
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }
}

impl Queue {
    const fn new(name: &'static str, stream: fn() -> BorrowedFd<'static>) -> Self {
        Self { name, stream, state: Mutex::new(State::new()), more: Condvar::new(), less: Condvar::new() }
    }

    /// Takes the bytes whole, or drops them whole: a line must come in one piece.
    fn push(&'static self, line: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if !state.started {
            thread::Builder::new().name(self.name.into()).spawn(|| self.work())?;
            state.started = true;
        }
        if state.push(line) {
            self.more.notify_one();
        }
        Ok(())
    }

    fn flush(&self, limit: Duration) {
        let wait = self.less.wait_timeout_while(self.state(), limit, |state| !state.is_idle());
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(dropped) = state.tell_of_dropped() {
                // It comes back as a line, in the form that the log has.
                drop(state);
                tell_of_dropped(self.name, dropped);
                state = self.state();
            } else if let Some(line) = state.pop() {
                state.busy = true;
                drop(state);
                write_all((self.stream)(), &line);
                state = self.state();
                state.busy = false;
            } else {
                self.less.notify_all();
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    // Nothing that runs under the lock can panic half way through a change, so a poisoned lock is still sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr;

impl io::Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        STDERR.push(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a program that goes on says on standard output. What cannot be written there is dropped: whoever is to read it may have
/// left, or its disk be full, and that is no reason to stop.
pub(crate) fn print(line: &[u8]) {
    // Without a thread there is nobody to write it.
    let _ = STDOUT.push(line);
}

/// Waits until everything was written, and no longer than this for each: nobody may read it.
pub(crate) fn flush(limit: Duration) {
    STDERR.flush(limit);
    STDOUT.flush(limit);
}

/// Lines that were dropped so far.
pub(crate) fn dropped() -> u64 {
    STDERR.state().dropped
}

/// Keeps this counter at the number of lines that were dropped, instead of the one before.
pub(crate) fn show_dropped(counter: Counter) {
    let mut state = STDERR.state();
    state.shown = Some(counter);
    state.show();
}

fn tell_of_dropped(stream: &str, dropped: u64) {
    match stream {
        "stdout" => tracing::warn!(dropped, "lines of standard output were dropped, since nobody read them in time"),
        _ => tracing::warn!(dropped, "lines of the log were dropped, since nobody read them in time"),
    }
}

/// Past the lock of `std::io::stderr`: a panic that is told of there must not wait for this.
fn write_all(stream: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(stream, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => thread::sleep(LOOK),
            // It is gone, and with it whoever could be told.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It used to hear of it when it had read everything, which a slow one never has.
    #[test]
    fn a_slow_reader_is_told_of_what_was_dropped_as_soon_as_there_is_room_for_that_and_then_each_second() {
        let mut state = State::new();
        let line = vec![b'x'; MAX_WAITING / 4];
        while state.push(&line) {}
        assert_eq!(state.tell_of_dropped(), None, "there is no room for it");
        state.pop();
        assert_eq!((state.tell_of_dropped(), state.tell_of_dropped()), (Some(1), None));
        assert!(state.push(&line) && !state.push(&line));
        state.pop();
        assert_eq!(state.tell_of_dropped(), None, "a moment ago it was told");
        while state.pop().is_some() {}
        assert_eq!(state.tell_of_dropped(), Some(1), "it has read everything");
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_is_counted() {
        let mut state = State::new();
        let line = vec![b'x'; MAX_WAITING / 4];
        let taken = (0..10).filter(|_| state.push(&line)).count();
        assert_eq!((taken, state.dropped, state.bytes), (4, 6, MAX_WAITING));
        assert_eq!(state.pop().map(|line| line.len()), Some(MAX_WAITING / 4));
        assert!(state.push(&line), "there is room again");
        while state.pop().is_some() {}
        assert_eq!(state.bytes, 0);
        assert!(state.is_idle() && state.push(&vec![b'x'; MAX_WAITING * 2]), "one line always fits");
    }
}
