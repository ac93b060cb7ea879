//! One connection on its way: which addresses are left, and what the others said.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use plugin_core::{
    BoxError, clock,
    deadline::{cut, limit, within},
};
use tokio::{net::TcpStream, time::Instant};

use super::{DialError, Dialer, error::DialFailures};

/// The start that an address has before the next one is tried. RFC 8305 section 5: the "Connection Attempt Delay".
const STAGGER: Duration = Duration::from_millis(250);

/// A shorter start says nothing of an address, however short the time is. RFC 8305 section 5: the delay "MUST NOT be lower
/// than 10 milliseconds".
const LEAST: Duration = Duration::from_millis(10);

/// Gives one connection after the other, until no address is left or the time is up: whoever finds that the peer behind
/// a connection is of no use (it does not speak TLS) says so, and goes on with the next.
pub(crate) struct Dialing<'d> {
    dialer: &'d Dialer,
    limit: Duration,
    until: Instant,
    /// `None` until the name was looked up.
    left: Option<VecDeque<SocketAddr>>,
    /// What was begun, in this order, and has not come to an end.
    pending: VecDeque<Begun>,
    /// Addresses that share the time of whoever waits.
    sharing: usize,
    said: Vec<DialFailures>,
}

struct Begun {
    address: SocketAddr,
    at: Instant,
}

impl Dialer {
    /// Opens a connection, with `TCP_NODELAY`, within `limit`, which includes the name lookup. Dropping the future gives
    /// everything up.
    ///
    /// # Errors
    ///
    /// Names every address that was tried, and what it said.
    pub async fn connect(&self, limit: Duration) -> Result<TcpStream, DialError> {
        let mut dialing = Dialing::begin(self, limit);
        let (stream, _) = dialing.next().await?;
        dialing.done();
        Ok(stream)
    }
}

impl<'d> Dialing<'d> {
    pub(crate) fn begin(dialer: &'d Dialer, limit: Duration) -> Self {
        // A limit that is beyond the clock is none that anybody waits for: a year.
        let longest = Duration::from_secs(365 * 24 * 3600);
        let until = Instant::now() + limit.min(longest);
        Self { dialer, limit, until, left: None, pending: VecDeque::new(), sharing: 0, said: Vec::new() }
    }

    /// The first connection that comes about. The name is looked up when this is first called.
    pub(crate) async fn next(&mut self) -> Result<(TcpStream, SocketAddr), DialError> {
        let left = match self.left.take() {
            Some(left) => left,
            None => match within(self.left_of_it(), self.dialer.lookup()).await {
                Some(Ok(addresses)) => self.dialer.memory().order(addresses, clock::now()),
                Some(Err(error)) => return Err(self.fault(Some(error.into()), false)),
                None => return Err(self.fault(None, true)),
            },
        };
        self.race(left).await
    }

    /// The peer at this address is of no use, although it took a connection.
    pub(crate) fn unfit(&mut self, address: SocketAddr, error: impl Into<BoxError>, permanent: bool) {
        self.failed(DialFailures { address, error: Some(error.into()), permanent });
    }

    fn failed(&mut self, said: DialFailures) {
        self.pending.retain(|begun| begun.address != said.address);
        self.dialer.memory().failed(said.address, clock::now());
        self.said.push(said);
    }

    /// The last connection is of use.
    pub(crate) fn done(mut self) {
        for begun in self.pending.drain(..) {
            self.dialer.memory().answered(begun.address);
        }
    }

    /// The last connection is taken. Whether it is of use will show when its peer has said something: until then nothing is known of
    /// its address that was not known before.
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn taken(mut self) {
        self.pending.clear();
    }

    /// How long the connection that was given last may take to be set up: what is left of the limit, shared with the
    /// addresses that are left.
    pub(crate) fn share(&self) -> Duration {
        let left = self.left.as_ref().map_or(0, VecDeque::len);
        self.left_of_it() / share_of(left)
    }

    /// What is left of the limit.
    fn left_of_it(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    async fn race(&mut self, mut left: VecDeque<SocketAddr>) -> Result<(TcpStream, SocketAddr), DialError> {
        self.sharing = left.len();
        let mut running = FuturesUnordered::new();
        loop {
            if let Some(address) = left.pop_front() {
                let dialer = self.dialer;
                self.pending.push_back(Begun { address, at: Instant::now() });
                running.push(async move { (address, dialer.open(address).await) });
            }
            let all = self.left_of_it();
            let next = if left.is_empty() { all } else { (all / share_of(left.len())).min(STAGGER) };
            tokio::select! {
                // In this order: what has come about is not lost to the clock.
                biased;
                finished = running.next() => match finished {
                    Some((address, Ok(stream))) => {
                        self.won(address, left);
                        return Ok((stream, address));
                    }
                    Some((address, Err(error))) => {
                        self.failed(DialFailures { address, error: Some(error.into()), permanent: false });
                    }
                    None => return Err(self.fault(None, false)),
                },
                () = limit(next) => {
                    if Instant::now() >= self.until {
                        for Begun { address, .. } in std::mem::take(&mut self.pending) {
                            self.failed(DialFailures { address, error: None, permanent: false });
                        }
                        return Err(self.fault(None, true));
                    }
                }
            }
        }
    }

    /// What began before the winner had a start and was overtaken: it may be dead, and is in any case slow.
    fn won(&mut self, winner: SocketAddr, mut left: VecDeque<SocketAddr>) {
        let mut overtaken = true;
        for begun in std::mem::take(&mut self.pending) {
            if begun.address == winner {
                overtaken = false;
                self.pending.push_back(begun);
                continue;
            }
            if overtaken {
                self.dialer.memory().failed(begun.address, clock::now());
            }
            left.push_back(begun.address);
        }
        self.left = Some(left);
    }

    fn fault(&mut self, lookup: Option<BoxError>, late: bool) -> DialError {
        DialError {
            said: std::mem::take(&mut self.said),
            lookup,
            within: late.then_some(self.limit),
            literal: self.dialer.literal().is_some(),
        }
    }
}

/// A caller whose time is up had enough of the addresses that had their start, or their share of its time: they are
/// remembered as failed, or a caller with little time would begin with a dead one each time. One that goes away for
/// another reason, such as a race that it lost, says nothing of an address.
impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        let Some(cut) = cut::current() else { return };
        let share = cut.ran() / share_of(self.sharing.saturating_sub(1));
        let enough = share.clamp(LEAST, STAGGER);
        let now = Instant::now();
        for Begun { address, at } in self.pending.drain(..) {
            if now.saturating_duration_since(at) >= enough {
                self.dialer.memory().failed(address, clock::now());
            }
        }
    }
}

/// Into how many parts time is divided where so many addresses wait behind one.
fn share_of(left: usize) -> u32 {
    u32::try_from(left + 1).unwrap_or(u32::MAX)
}
