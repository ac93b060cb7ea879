//! The bodies that are held at once, in bytes: those of requests, and those of answers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

/// A body up to this size is not counted: as much as is read of a connection in one piece is held anyway, and calls with small
/// payloads must not meet at one count.
const SMALL: u64 = 16 << 10;

/// What all bodies of one direction may come to.
#[derive(Debug)]
pub(super) struct Bodies {
    held: AtomicU64,
    max: u64,
}

/// What one body is counted with, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    bodies: Arc<Bodies>,
    bytes: u64,
}

/// A reply, which counts until the last of it has gone to its client.
struct Kept {
    reply: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.reply
    }
}

/// There is no room for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Bodies {
    pub(super) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), max })
    }

    pub(super) fn enter(self: &Arc<Self>) -> Held {
        Held { bodies: Arc::clone(self), bytes: 0 }
    }

    /// Counts a reply for as long as any of it is held, be it in the connection to its client. One is taken however large
    /// it is, since its transport bounds it: only beside others it may be too much.
    pub(super) fn keep(self: &Arc<Self>, reply: Bytes) -> Result<Bytes, Full> {
        let mut held = self.enter();
        let bytes = reply.len() as u64;
        held.grow(bytes).or_else(|full| held.take_alone(bytes).then_some(()).ok_or(full))?;
        Ok(if held.bytes > 0 { Bytes::from_owner(Kept { reply, _held: held }) } else { reply })
    }
}

impl Held {
    /// Counts the body with so many bytes, if it was counted with less.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        if bytes <= SMALL.max(self.bytes) {
            return Ok(());
        }
        let (more, max) = (bytes - self.bytes, self.bodies.max);
        // Relaxed: the number is all that is shared.
        let counted = self.bodies.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|sum| *sum <= max)
        });
        self.bytes = counted.map(|_| bytes).map_err(|_| Full)?;
        Ok(())
    }

    /// Counts the body with so many bytes, more than there is room for, if no other is counted.
    fn take_alone(&mut self, bytes: u64) -> bool {
        // Relaxed: see `grow`.
        let is_alone = self.bodies.held.compare_exchange(0, bytes, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_alone {
            self.bytes = bytes;
        }
        is_alone
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // Relaxed: see `grow`.
            self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back_and_small_bodies_are_not_counted() {
        let bodies = Bodies::new(100 << 10);
        let (mut one, mut two) = (bodies.enter(), bodies.enter());
        assert_eq!((one.grow(60 << 10), two.grow(60 << 10)), (Ok(()), Err(Full)));
        assert_eq!(two.grow(SMALL), Ok(()));
        assert_eq!((one.grow(101 << 10), one.grow(10)), (Err(Full), Ok(())));
        assert_eq!(bodies.held.load(Ordering::Relaxed), 60 << 10);
        drop(one);
        assert_eq!((two.grow(60 << 10), two.grow(100 << 10), two.grow(u64::MAX)), (Ok(()), Ok(()), Err(Full)));
        drop(two);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
    }
    #[test]
    fn a_reply_counts_until_the_last_of_it_is_dropped_and_one_alone_is_taken_whatever_its_size() {
        let (bodies, reply) = (Bodies::new(100 << 10), |kib: usize| Bytes::from(vec![b'1'; kib << 10]));
        let mut first = bodies.keep(reply(60)).expect("room");
        assert_eq!(bodies.keep(reply(60)), Err(Full));
        let sent = first.split_to(1 << 10);
        drop(first);
        assert_eq!(bodies.keep(reply(60)), Err(Full), "a part of it is still to be sent");
        bodies.keep(reply(16)).expect("small ones are not counted");
        drop(sent);
        let alone = bodies.keep(reply(200)).expect("nothing else is held");
        assert_eq!((alone.len(), bodies.keep(reply(17))), (200 << 10, Err(Full)));
        drop(alone);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
    }
}
