//! The bodies that are held at once, in bytes: those of requests, and those of answers.

use std::{
    collections::HashMap,
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use plugin_transports::listen::PeerAddr;

/// A body up to this size is not counted: as much as is read of a connection in one piece is held anyway, and calls with small
/// payloads must not meet at one count.
const SMALL: u64 = 16 << 10;

/// Once half of all is taken, several bodies of one connection may come to this part of it: over HTTP/2 one client could hold
/// everything otherwise, and all others were refused for it. A proxy has one for all its clients, so there is no such bound while
/// there is room for others.
const SHARE: u64 = 4;

/// What all bodies of one direction may come to.
#[derive(Debug)]
pub(super) struct Bodies {
    counts: Mutex<ByteCounts>,
    max: u64,
}

#[derive(Debug, Default)]
struct ByteCounts {
    all: u64,
    /// Of each connection that has any.
    of: HashMap<SocketAddr, u64>,
}

/// What one body is counted with, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes<B: Deref<Target = Bodies>> {
    bodies: B,
    /// The connection that it belongs to.
    peer: Option<SocketAddr>,
    bytes: u64,
}

/// A reply, which counts until the last of it has gone to its client.
struct Kept {
    reply: Bytes,
    _held: HeldBytes<Arc<Bodies>>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.reply
    }
}

/// There is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Beside those of all.
    All,
    /// Beside the others of its connection.
    Connection,
}

impl Full {
    /// Whose bodies they are that leave no room, and how many bytes they may come to, of so many for all.
    pub(super) fn of(self, max: u64) -> (&'static str, u64) {
        match self {
            Self::All => ("", max),
            Self::Connection => (" on this connection", max / SHARE),
        }
    }
}

impl Bodies {
    pub(super) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), max })
    }

    /// One that belongs to this connection, where that is known.
    pub(super) fn enter(&self, peer: Option<PeerAddr>) -> HeldBytes<&Self> {
        HeldBytes { bodies: self, peer: peer.map(|peer| peer.0), bytes: 0 }
    }

    /// Counts a reply for as long as any of it is held, be it in the connection to its client. One is taken however large
    /// it is, since its transport bounds it: only beside others it may be too much.
    pub(super) fn keep(self: &Arc<Self>, peer: Option<PeerAddr>, reply: Bytes) -> Result<Bytes, Full> {
        let bytes = reply.len() as u64;
        if bytes <= SMALL {
            return Ok(reply);
        }
        let mut held = HeldBytes { bodies: Arc::clone(self), peer: peer.map(|peer| peer.0), bytes: 0 };
        held.grow(bytes).or_else(|full| held.take_alone(bytes).then_some(()).ok_or(full))?;
        Ok(Bytes::from_owner(Kept { reply, _held: held }))
    }

    /// No code that can panic runs under it.
    fn counts(&self) -> MutexGuard<'_, ByteCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Deref<Target = Bodies>> HeldBytes<B> {
    /// Counts the body with so many bytes, if it was counted with less.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        if bytes <= SMALL.max(self.bytes) {
            return Ok(());
        }
        let mut counts = self.bodies.counts();
        let beside = |all: u64| (all - self.bytes).saturating_add(bytes);
        // The only one of its connection is bounded as all are: it may be as large as a body may be.
        let of = self.peer.and_then(|peer| counts.of.get(&peer).copied()).unwrap_or_default();
        if of > self.bytes && beside(of) > self.bodies.max / SHARE && beside(counts.all) > self.bodies.max / 2 {
            return Err(Full::Connection);
        }
        if beside(counts.all) > self.bodies.max {
            return Err(Full::All);
        }
        let more = bytes - self.bytes;
        counts.add(self.peer, more);
        drop(counts);
        self.bytes = bytes;
        Ok(())
    }

    /// Counts the body with so many bytes, more than there is room for, if no other is counted.
    fn take_alone(&mut self, bytes: u64) -> bool {
        let mut counts = self.bodies.counts();
        let is_alone = counts.all == 0;
        if is_alone {
            counts.add(self.peer, bytes);
            drop(counts);
            self.bytes = bytes;
        }
        is_alone
    }
}

impl ByteCounts {
    fn add(&mut self, peer: Option<SocketAddr>, more: u64) {
        self.all += more;
        if let Some(peer) = peer {
            *self.of.entry(peer).or_default() += more;
        }
    }
}

impl<B: Deref<Target = Bodies>> Drop for HeldBytes<B> {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut counts = self.bodies.counts();
        counts.all -= self.bytes;
        if let Some(peer) = self.peer
            && let Some(of) = counts.of.get_mut(&peer)
        {
            *of -= self.bytes;
            if *of == 0 {
                counts.of.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bodies: &Bodies) -> (u64, usize) {
        let counts = bodies.counts();
        (counts.all, counts.of.len())
    }

    #[test]
    fn what_is_held_is_bounded_and_given_back_and_small_bodies_are_not_counted() {
        let bodies = Bodies::new(100 << 10);
        let (mut one, mut two) = (bodies.enter(None), bodies.enter(None));
        assert_eq!((one.grow(60 << 10), two.grow(60 << 10)), (Ok(()), Err(Full::All)));
        assert_eq!(two.grow(SMALL), Ok(()));
        assert_eq!((one.grow(101 << 10), one.grow(10)), (Err(Full::All), Ok(())));
        assert_eq!(all(&bodies), (60 << 10, 0));
        drop(one);
        let grown = [60 << 10, 100 << 10, u64::MAX].map(|bytes| two.grow(bytes));
        assert_eq!(grown, [Ok(()), Ok(()), Err(Full::All)]);
        drop(two);
        assert_eq!(all(&bodies), (0, 0));
    }

    #[test]
    fn several_bodies_of_one_connection_have_a_share_and_leave_the_rest_to_others() {
        let bodies = Bodies::new(400 << 10);
        let peer = |port: u16| Some(PeerAddr(SocketAddr::from(([127, 0, 0, 1], port))));
        let mut held: Vec<_> = (0..20).map(|_| bodies.enter(peer(1))).collect();
        let taken = held.iter_mut().filter_map(|held| held.grow(20 << 10).ok()).count();
        assert_eq!((taken, held[0].grow(21 << 10)), (10, Err(Full::Connection)), "half of all");
        let mut third = bodies.enter(peer(3));
        let mut fourth = bodies.enter(peer(3));
        assert_eq!((third.grow(40 << 10), fourth.grow(60 << 10)), (Ok(()), Ok(())), "a quarter of all");
        assert_eq!(fourth.grow(61 << 10), Err(Full::Connection));
        drop((third, fourth));
        // Alone on its connection one may be as large as any, and so may a reply.
        let mut other = bodies.enter(peer(2));
        assert_eq!((other.grow(200 << 10), other.grow(301 << 10)), (Ok(()), Err(Full::All)));
        drop(held);
        assert_eq!(bodies.enter(peer(2)).grow(20 << 10), Err(Full::Connection));
        assert_eq!(all(&bodies), (200 << 10, 1));
        drop(other);
        let reply = Bytes::from(vec![b'1'; 110 << 10]);
        let kept = bodies.keep(peer(1), reply.clone()).expect("the first");
        assert_eq!(bodies.keep(peer(1), reply.clone()), Err(Full::Connection));
        bodies.keep(peer(2), reply).expect("another connection has a share of its own");
        drop(kept);
        assert_eq!(all(&bodies), (0, 0));
    }

    #[test]
    fn a_reply_counts_until_the_last_of_it_is_dropped_and_one_alone_is_taken_whatever_its_size() {
        let (bodies, reply) = (Bodies::new(100 << 10), |kib: usize| Bytes::from(vec![b'1'; kib << 10]));
        let keep = |kib: usize| bodies.keep(None, reply(kib));
        let mut first = keep(60).expect("room");
        assert_eq!(keep(60), Err(Full::All));
        let sent = first.split_to(1 << 10);
        drop(first);
        assert_eq!(keep(60), Err(Full::All), "a part of it is still to be sent");
        keep(16).expect("small ones are not counted");
        drop(sent);
        let alone = keep(200).expect("nothing else is held");
        assert_eq!((alone.len(), keep(17)), (200 << 10, Err(Full::All)));
        drop(alone);
        assert_eq!(all(&bodies), (0, 0));
    }
}
