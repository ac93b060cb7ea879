//! Standard error, written by a thread of its own: nobody waits for whoever reads it.
//!
//! A pipe that nobody reads takes 64 KiB and then holds whoever writes to it, for ever. Were that a worker of the runtime, a
//! pager that stands still, or a plugin that logs a lot, would stop the gateway with its probes and its signals.

use std::{
    collections::VecDeque,
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use metrics::Counter;
use rustix::io::Errno;

/// Bytes that wait to be written, at most. What comes on top is dropped, and counted.
const MAX_WAITING: usize = 1 << 20;

/// How long a writer waits where standard error is not to be waited for.
const LOOK: Duration = Duration::from_millis(10);

static QUEUE: Queue = Queue { state: Mutex::new(State::new()), more: Condvar::new(), less: Condvar::new() };

struct Queue {
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
    /// Of those, how many the log has told of.
    told: u64,
    /// Where the metrics have them.
    shown: Option<Counter>,
}

impl State {
    const fn new() -> Self {
        Self { lines: VecDeque::new(), bytes: 0, busy: false, started: false, dropped: 0, told: 0, shown: None }
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
    // Nothing that runs under the lock can panic half way through a change, so a poisoned lock is still sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr;

impl io::Write for Stderr {
    /// Takes the bytes whole, or drops them whole: a line must come in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = QUEUE.state();
        if !state.started {
            thread::Builder::new().name("log".into()).spawn(work)?;
            state.started = true;
        }
        if state.push(line) {
            QUEUE.more.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until everything was written, and no longer than this: nobody may read it.
pub(crate) fn flush(limit: Duration) {
    let wait = QUEUE.less.wait_timeout_while(QUEUE.state(), limit, |state| !state.is_idle());
    drop(wait.unwrap_or_else(PoisonError::into_inner));
}

/// Lines that were dropped so far.
pub(crate) fn dropped() -> u64 {
    QUEUE.state().dropped
}

/// Keeps this counter at the number of lines that were dropped, instead of the one before.
pub(crate) fn show_dropped(counter: Counter) {
    let mut state = QUEUE.state();
    state.shown = Some(counter);
    state.show();
}

fn work() {
    let mut state = QUEUE.state();
    loop {
        if let Some(line) = state.pop() {
            state.busy = true;
            drop(state);
            write_all(&line);
            state = QUEUE.state();
            state.busy = false;
        } else if state.dropped > state.told {
            let dropped = state.dropped - state.told;
            state.told = state.dropped;
            // It comes back as a line, in the form that the log has.
            drop(state);
            tracing::warn!(dropped, "lines of the log were dropped, since nobody read them in time");
            state = QUEUE.state();
        } else {
            QUEUE.less.notify_all();
            state = QUEUE.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Past the lock of `std::io::stderr`: a panic that is told of there must not wait for this.
fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), bytes) {
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
