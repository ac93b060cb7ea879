//! Yields to other tasks after a number of reads, so that one peer cannot hold a worker thread.

use std::{future::Future, io, num::NonZero, pin::pin, task::Context};

use tokio::task::coop;

use super::tapped::{Tap, Tapped};

/// What one unit of tokio's budget of a task pays for, in bytes.
///
/// tokio charges one unit for a read of any length, and a task has 128 of them. One read can fill a buffer of hundreds of
/// KiB with frames or heads of a few bytes, each of which has to be looked at: the task would go on for seconds before it
/// yields.
const PER_UNIT: usize = 1024;

/// A connection whose reading costs its task by the byte. When the task's budget is spent, its next read makes it yield.
pub(crate) type Paced<I, W = ()> = Tapped<I, Pace<W>>;

/// Charges the task for what is read.
#[derive(Debug)]
pub(crate) struct Pace<W> {
    watch: W,
}

/// Hears of what is read from a connection.
pub(crate) trait ReadWatch: Unpin {
    /// So many bytes came; `None`: it has ended, or broken.
    fn read(&mut self, bytes: Option<NonZero<usize>>);
}

/// Nobody does.
impl ReadWatch for () {
    fn read(&mut self, _: Option<NonZero<usize>>) {}
}

impl<I> Paced<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self { inner, tap: Pace { watch: () } }
    }
}

impl<I, W> Paced<I, W> {
    /// Likewise, and somebody hears of what is read.
    pub(crate) fn watched(inner: I, watch: W) -> Self {
        Self { inner, tap: Pace { watch } }
    }
}

fn charge(cx: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / PER_UNIT {
        if pin!(coop::consume_budget()).poll(cx).is_pending() {
            return;
        }
    }
}

impl<W: ReadWatch> Tap for Pace<W> {
    fn read(&mut self, cx: &mut Context<'_>, room: usize, came: io::Result<&[u8]>) -> io::Result<()> {
        let read = came.as_ref().map_or(0, |bytes| bytes.len());
        if room > 0 {
            self.watch.read(NonZero::new(read));
        }
        came?;
        charge(cx, read);
        Ok(())
    }
}
