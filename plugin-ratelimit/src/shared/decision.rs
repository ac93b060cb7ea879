//! One decision: by what is known, by Redis, or by this instance's share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_core::{Quota, Rejected, clock, deadline::enforced, sync::StripedCounter};
use tokio::{runtime::Handle, time};

use super::{
    SharedMode,
    fault::Fault,
    keeper,
    key_cell::KeyCell,
    key_state::{Asked, Known, share_of},
    keys::{KeyId, Keys},
    link::Link,
    script::Question,
    stored_key::BucketKeys,
    terms::{AllTerms, Terms},
};
use crate::{WithoutKey, gcra::Limit};

/// The key of requests that have none: the empty one, which says as little.
pub(super) const KEYLESS: &str = "";

/// The buckets of one name, on this instance.
pub(super) struct Buckets {
    pub(super) link: Arc<Link>,
    pub(super) bucket: BucketKeys,
    pub(super) terms: AllTerms,
    pub(super) enabled: AtomicBool,
    pub(super) keys: Keys,
    pub(super) allowed: StripedCounter,
    pub(super) refused: StripedCounter,
    pub(super) local: StripedCounter,
    pub(super) without_key: StripedCounter,
}

impl Buckets {
    pub(super) fn new(link: Arc<Link>, name: String, terms: AllTerms) -> Self {
        Self {
            bucket: BucketKeys::new(link.config.prefix(), &name),
            terms,
            enabled: AtomicBool::new(true),
            keys: Keys::new(link.config.max_keys()),
            link,
            allowed: StripedCounter::new(),
            refused: StripedCounter::new(),
            local: StripedCounter::new(),
            without_key: StripedCounter::new(),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        // Relaxed: a request that reads the switch of a moment ago behaves as if it had come a moment earlier.
        self.enabled.load(Ordering::Relaxed)
    }

    /// What can be told without Redis.
    pub(super) fn at_once(&self, key: &str, n: u32) -> Result<Result<(), Rejected>, Pending> {
        if n == 0 || !self.is_enabled() {
            return Ok(Ok(()));
        }
        let terms = self.terms.of(key);
        let limit = terms.limit;
        if u64::from(n) > limit.burst() {
            self.refused.add(1);
            return Ok(Err(Rejected::too_costly(n.into(), limit.burst())));
        }
        let now = clock::now().as_nanos();
        let id = self.keys.id(key);
        let pending = Pending { n, terms, id, cell: self.keys.cell(id, now) };
        match self.link.mode() {
            SharedMode::Local => {
                // Where the keeper has ended with its runtime, this is where another one begins.
                keeper::ensure(&self.link);
                Ok(self.by_share(&pending, now))
            }
            SharedMode::Shared => self.by_what_is_known(&pending, now).ok_or(pending),
            SharedMode::Connecting => {
                // And where the store was made outside of a runtime, the first.
                keeper::ensure(&self.link);
                Err(pending)
            }
        }
    }

    /// The same, of a request that has no key.
    #[cold]
    pub(super) fn without_key(&self, without_key: WithoutKey) -> Result<Result<(), Rejected>, Pending> {
        if !self.is_enabled() {
            return Ok(Ok(()));
        }
        self.without_key.add(1);
        match without_key {
            WithoutKey::Shared => self.at_once(KEYLESS, 1),
            WithoutKey::Refuse => Ok(self.count(Err(Rejected::without_key()))),
            WithoutKey::Pass => Ok(self.count(Ok(()))),
        }
    }

    fn by_what_is_known(&self, pending: &Pending, now: u64) -> Option<Result<(), Rejected>> {
        let known = pending.cell.as_ref()?.state().known(pending.terms.limit, pending.n, now);
        match known {
            Known::Reserved => Some(self.count(Ok(()))),
            Known::Refused { standing, wait } => {
                Some(self.count(Err(standing.refusal(pending.terms.limit, now, wait))))
            }
            Known::Unknown => None,
        }
    }

    fn by_share(&self, pending: &Pending, now: u64) -> Result<(), Rejected> {
        self.local.add(1);
        let share = share_of(pending.terms.limit, self.link.replicas());
        let taken = match &pending.cell {
            Some(cell) => cell.state().take_share(share, pending.n, now),
            None => self.keys.overflow(pending.id, pending.terms, now).state().take_share(share, pending.n, now),
        };
        self.count(taken.map_err(|(arrival, wait)| share.limit.refusal(arrival, now, wait)))
    }

    fn count(&self, result: Result<(), Rejected>) -> Result<(), Rejected> {
        let counter = if result.is_ok() { &self.allowed } else { &self.refused };
        counter.add(1);
        result
    }

    /// Asks Redis, and decides by this instance's share if it does not answer: in the time that is set for it, or in half of what
    /// the caller has left, so that none fails because it does not.
    pub(super) async fn by_redis(&self, key: &str, pending: Pending, left: Duration) -> Result<(), Rejected> {
        if Handle::try_current().is_err() {
            return self.by_share(&pending, clock::now().as_nanos());
        }
        let left = enforced().map_or(left, |deadline| left.min(deadline.saturating_since(clock::now())));
        let deadline = time::Instant::now() + self.link.config.timeout().min(left / 2);
        let batch = self.link.config.batch();
        let _waiting = pending.cell.as_deref().map(|cell| cell.wait(pending.n));
        let gate = match &pending.cell {
            Some(cell) if batch > 1 => match time::timeout_at(deadline, cell.gate.lock()).await {
                Ok(gate) => {
                    // Who held it before may have brought enough for all, or heard that there is nothing.
                    if let Some(known) = self.by_what_came(&pending) {
                        return known;
                    }
                    Some(gate)
                }
                Err(_) => return self.by_share(&pending, clock::now().as_nanos()),
            },
            _ => None,
        };
        let answer = self.ask(key, &pending, batch, deadline).await;
        drop(gate);
        match answer {
            Ok(result) => self.count(result),
            Err(_) => self.by_share(&pending, clock::now().as_nanos()),
        }
    }

    /// What is known since the gate was opened. The demand was counted before.
    fn by_what_came(&self, pending: &Pending) -> Option<Result<(), Rejected>> {
        let now = clock::now().as_nanos();
        let cell = pending.cell.as_ref()?;
        match self.link.mode() {
            SharedMode::Local => Some(self.by_share(pending, now)),
            SharedMode::Connecting => None,
            SharedMode::Shared => match cell.state().still_known(pending.terms.limit, pending.n, now) {
                Known::Reserved => Some(self.count(Ok(()))),
                Known::Refused { standing, wait } => {
                    Some(self.count(Err(standing.refusal(pending.terms.limit, now, wait))))
                }
                Known::Unknown => None,
            },
        }
    }

    async fn ask(
        &self,
        key: &str,
        pending: &Pending,
        batch: u32,
        deadline: time::Instant,
    ) -> Result<Result<(), Rejected>, Fault> {
        let (n, limit) = (pending.n, pending.terms.limit);
        let now = clock::now().as_nanos();
        let mut asking = Asking::new(pending.cell.as_deref());
        let question = asking.question(limit, self.link.replicas(), n, batch, now);
        let (answer, sent) = self.link.ask(question, &self.bucket.of(key), limit, deadline).await?;
        let now = clock::now().as_nanos();
        let is_admitted = match asking.asked.take().zip(asking.cell) {
            Some((asked, cell)) => cell.state().answered(&asked, answer, sent, now),
            None => answer.taken >= n,
        };
        if is_admitted {
            return Ok(Ok(()));
        }
        let standing = answer.standing(now);
        // One nanosecond: where it was refused for what has come back since.
        let wait = standing.wait(limit, n, now).unwrap_or(1);
        Ok(Err(standing.refusal(limit, now, wait)))
    }

    /// What is there of a key, by Redis, or by this instance's share if it does not answer.
    pub(super) async fn quota(&self, key: &str) -> Option<Quota> {
        let terms = self.terms.of(key);
        let limit = terms.limit;
        let now = || clock::now().as_nanos();
        if Handle::try_current().is_ok() {
            keeper::ensure(&self.link);
            let deadline = time::Instant::now() + self.link.config.timeout();
            let asked = self.link.ask(Question::default(), &self.bucket.of(key), limit, deadline).await;
            if let Ok((answer, _)) = asked {
                let now = now();
                return answer.standing(now).quota(limit, now);
            }
        }
        let (now, share) = (now(), share_of(limit, self.link.replicas()));
        let full_at = |cell: &KeyCell| cell.state().share_is_full_at(share, now);
        let arrival = self.keys.look(self.keys.id(key), terms, now, full_at);
        share.limit.quota(arrival, now)
    }
}

/// A request that Redis must decide on.
pub(super) struct Pending {
    n: u32,
    terms: Terms,
    id: KeyId,
    cell: Option<Arc<KeyCell>>,
}

/// A question on its way. What it was to pay is still owed when it is dropped without an answer.
struct Asking<'a> {
    cell: Option<&'a KeyCell>,
    asked: Option<Asked>,
}

impl<'a> Asking<'a> {
    fn new(cell: Option<&'a KeyCell>) -> Self {
        Self { cell, asked: None }
    }

    fn question(&mut self, limit: Limit, replicas: u32, n: u32, batch: u32, now: u64) -> Question {
        let Some(cell) = self.cell else { return Question { tokens: n, most: n, shift: 0 } };
        self.asked.insert(cell.state().ask(limit, replicas, n, cell.waiting(), batch, now)).question
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let (Some(asked), Some(cell)) = (self.asked, self.cell) {
            cell.state().unanswered(&asked);
        }
    }
}
