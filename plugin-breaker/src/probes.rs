//! The probes of a half-open circuit.

use std::{collections::VecDeque, time::Duration};

use plugin_core::clock::Instant;

/// The probes of one half-open period: those that hold a place, oldest first, how many have given theirs up, and how many
/// have succeeded.
///
/// A probe holds its place until it ends or reaches the half-open time, so of the probes that have not outlived that time
/// there are never more than places. One that has outlived it may run on beside those that came after it. What it brings
/// back counts like any other's, and as every ticket of a period ends at most once, no list of them is needed: memory is
/// bounded by the places, however many probes hang or are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    running: VecDeque<(u64, Instant)>,
    /// Probes that have given up their places and have no outcome yet.
    overdue: u64,
    last_id: u64,
    succeeded: u32,
}

impl Probes {
    /// Starts a probe, and gives its number, which is never 0.
    pub(crate) fn start(&mut self, now: Instant) -> u64 {
        self.last_id += 1;
        self.running.push_back((self.last_id, now));
        self.last_id
    }

    /// Takes their places from the probes that have reached this age.
    pub(crate) fn expire(&mut self, now: Instant, age: Duration) {
        while self.first_expiry(age).is_some_and(|expiry| now >= expiry) {
            self.running.pop_front();
            self.overdue += 1;
        }
    }

    /// A probe of this period has ended. Its place is free, unless it had given it up before. Gives back when it began, where
    /// that is still known.
    pub(crate) fn end(&mut self, id: u64) -> Option<Instant> {
        let Some(at) = self.running.iter().position(|(running, _)| *running == id) else {
            self.overdue = self.overdue.saturating_sub(1);
            return None;
        };
        self.running.remove(at).map(|(_, started)| started)
    }

    /// When the oldest probe that holds a place began.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.running.front().map(|(_, started)| *started)
    }

    /// Counts a success, and gives how many there are.
    pub(crate) fn succeed(&mut self) -> u32 {
        self.succeeded += 1;
        self.succeeded
    }

    /// Probes that hold a place.
    pub(crate) fn running(&self) -> u32 {
        u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    /// Probes that hold a place and have not reached this age.
    pub(crate) fn young(&self, now: Instant, age: Duration) -> u32 {
        let old = self.running.partition_point(|(_, started)| now >= started.saturating_add(age));
        u32::try_from(self.running.len() - old).unwrap_or(u32::MAX)
    }

    /// Probes that have given up their places and have no outcome yet.
    pub(crate) fn overdue(&self) -> u64 {
        self.overdue
    }

    /// When the oldest probe that holds a place reaches this age.
    pub(crate) fn first_expiry(&self, age: Duration) -> Option<Instant> {
        self.oldest().map(|started| started.saturating_add(age))
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.running.capacity() * size_of::<(u64, Instant)>()
    }

    /// Forgets all, when a period begins or ends. Numbers go on, so a probe of an earlier period is never taken for a new one.
    pub(crate) fn clear(&mut self) {
        self.running.clear();
        self.overdue = 0;
        self.succeeded = 0;
    }
}
