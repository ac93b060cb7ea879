//! Some of the keys, under one lock.

use std::borrow::Borrow;

use super::{
    account::{Account, Change, Terms},
    index::{Index, MOST},
    pace::Pace,
};
use crate::gcra::Decision;

/// Buckets in either of two places that a new key looks at before it is sent to those of the overflow, and before the shard
/// grows.
const LOOKS: usize = 8;
const LOOKS_BEFORE_GROWING: usize = 2;

/// Keys in the order of their places, and an index beside it.
///
/// A new key takes the place of one whose bucket is full again. The hand goes round as places are taken, so what stands at
/// it is what was placed longest ago, and that is most likely full again. The shard grows only when the next places are
/// still in debt: its size follows the keys that owe something, and not all that ever came.
pub(super) struct Shard<K> {
    entries: Vec<Entry<K>>,
    index: Index,
    cap: usize,
    /// The place that was given longest ago, so that it is likely to be free again first.
    hand: usize,
    /// Where others are looked at.
    scout: usize,
    pub(super) terms: Terms,
    change: Option<Change>,
}

/// 24 bytes where the key has eight. With its slot in the index, which is half full, 32.
struct Entry<K> {
    arrival: u64,
    hash: u32,
    pace: Pace,
    key: K,
}

/// What became of a request.
pub(super) enum Outcome<K> {
    /// The key's bucket decided, as it was after that; a key that was forgotten is to be dropped when the lock is not held.
    Decided { decision: Decision, account: Account, terms: Terms, forgotten: Option<K> },
    /// No place is free, and none of those that were looked at can be taken.
    NoPlace { terms: Terms },
}

impl<K> Entry<K> {
    #[inline]
    const fn account(&self) -> Account {
        Account { arrival: self.arrival, pace: self.pace }
    }

    #[inline]
    fn set(&mut self, account: Account) {
        (self.arrival, self.pace) = (account.arrival, account.pace);
    }
}

impl<K> Shard<K> {
    pub(super) fn new(cap: usize, terms: Terms) -> Self {
        Self {
            entries: Vec::new(),
            index: Index::default(),
            cap: cap.min(MOST),
            hand: 0,
            scout: 0,
            terms,
            change: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn find<Q: Eq + ?Sized>(&self, hash: u32, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.index.find(hash, |at| self.entries[at].hash == hash && self.entries[at].key.borrow() == key)
    }

    /// Takes tokens out of a key's bucket, on its own terms or on those of all keys.
    #[inline]
    pub(super) fn take<Q>(&mut self, hash: u32, key: &Q, own: Option<Terms>, tokens: u64, now: u64) -> Outcome<K>
    where
        Q: Eq + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        let terms = own.unwrap_or(self.terms);
        if let Some(at) = self.find(hash, key) {
            let mut account = self.entries[at].account().settled(terms, self.change.as_ref(), now);
            let decision = account.take(terms, tokens, now);
            self.entries[at].set(account);
            return Outcome::Decided { decision, account, terms, forgotten: None };
        }
        let mut account = Account::full(terms);
        let decision = account.take(terms, tokens, now);
        if !matches!(decision, Decision::Admit(_)) {
            // More than any bucket holds: the key need not be known.
            return Outcome::Decided { decision, account, terms, forgotten: None };
        }
        match self.place(hash, account, now, || key.to_owned()) {
            Ok(forgotten) => Outcome::Decided { decision, account, terms, forgotten },
            Err(NoPlace) => Outcome::NoPlace { terms },
        }
    }

    /// Gives a new key a place, and returns the key that stood there.
    fn place(&mut self, hash: u32, account: Account, now: u64, key: impl FnOnce() -> K) -> Result<Option<K>, NoPlace> {
        let has_room = self.entries.len() < self.cap;
        let looks = if has_room { LOOKS_BEFORE_GROWING } else { LOOKS };
        let full = self.next_full(looks, now);
        if full.is_none() && !has_room {
            return Err(NoPlace);
        }
        let entry = Entry { arrival: account.arrival, hash, pace: account.pace, key: key() };
        let Some(at) = full else {
            self.grow();
            self.index.insert(hash, self.entries.len());
            self.entries.push(entry);
            return Ok(None);
        };
        self.index.remove(self.entries[at].hash, at);
        self.index.insert(hash, at);
        Ok(Some(std::mem::replace(&mut self.entries[at], entry).key))
    }

    /// An entry whose bucket is full again, of a few that are looked at: those from the hand on, and as many elsewhere.
    fn next_full(&mut self, looks: usize, now: u64) -> Option<usize> {
        if let Some(found) = self.full_from(self.hand, looks, now) {
            self.hand = found + 1;
            return Some(found);
        }
        // Those at the hand are the oldest, so most likely none is full again yet: the hand waits for them. But they may be
        // keys that owe more than others, behind which no place would ever be found. So others are looked at too, in turn,
        // and where one of these is full the hand leaves its own alone.
        let found = self.full_from(self.scout, looks, now);
        self.scout += looks;
        if found.is_some() {
            self.hand += looks;
        }
        found
    }

    fn full_from(&self, start: usize, looks: usize, now: u64) -> Option<usize> {
        let len = self.entries.len();
        (start..start + looks.min(len)).map(|at| at % len).find(|at| self.counted(&self.entries[*at]).is_full(now))
    }

    /// The bucket of an entry, at the new pace where a change of settings has not come to it yet.
    #[inline]
    fn counted(&self, entry: &Entry<K>) -> Account {
        let account = entry.account();
        self.change.as_ref().map_or(account, |change| change.applied(account, self.terms))
    }

    /// Makes room for one more entry.
    fn grow(&mut self) {
        let len = self.entries.len();
        if len < self.index.capacity() {
            return;
        }
        let capacity = (2 * len).clamp(8.min(self.cap), self.cap);
        self.entries.reserve_exact(capacity - len);
        self.index = Index::new(capacity, self.entries.iter().map(|entry| entry.hash));
    }

    /// The bucket of a key, as it is now.
    pub(super) fn get<Q: Eq + ?Sized>(&self, hash: u32, key: &Q, own: Option<Terms>, now: u64) -> (Account, Terms, bool)
    where
        K: Borrow<Q>,
    {
        let terms = own.unwrap_or(self.terms);
        match self.find(hash, key) {
            Some(at) => (self.entries[at].account().settled(terms, self.change.as_ref(), now), terms, true),
            None => (Account::full(terms), terms, false),
        }
    }

    /// Takes a key out.
    pub(super) fn remove<Q: Eq + ?Sized>(&mut self, hash: u32, key: &Q) -> Option<K>
    where
        K: Borrow<Q>,
    {
        let at = self.find(hash, key)?;
        self.index.remove(hash, at);
        let last = self.entries.len() - 1;
        if at != last {
            // The last one takes the place, which a change of settings that is under way may have passed.
            self.settle(last, 1);
            self.index.moved(self.entries[last].hash, last, at);
        }
        Some(self.entries.swap_remove(at).key)
    }

    /// Takes out all keys whose buckets are full again, and gives their memory back. The keys are to be dropped when the
    /// lock is not held.
    pub(super) fn remove_full(&mut self, now: u64) -> Vec<K> {
        self.settle(0, self.entries.len());
        let gone: Vec<K> =
            self.entries.extract_if(.., |entry| entry.account().is_full(now)).map(|entry| entry.key).collect();
        let capacity = self.entries.len().next_power_of_two().clamp(8.min(self.cap), self.cap);
        self.entries.shrink_to(capacity);
        self.index = Index::new(capacity, self.entries.iter().map(|entry| entry.hash));
        gone
    }

    /// Puts other settings of all keys in force from `now` on.
    pub(super) fn begin_change(&mut self, terms: Terms, now: u64) {
        self.change = Some(Change::from(self.terms, now));
        self.terms = terms;
    }

    /// Counts what is owed at the new pace, for up to `most` entries from `first` on; where to go on, or `None` at the end.
    pub(super) fn settle(&mut self, first: usize, most: usize) -> Option<usize> {
        let (terms, change) = (self.terms, self.change?);
        let end = self.entries.len().min(first + most);
        for entry in self.entries.get_mut(first..end)? {
            entry.set(change.applied(entry.account(), terms));
        }
        (end < self.entries.len()).then_some(end)
    }

    /// All buckets are counted at the new pace.
    pub(super) fn end_change(&mut self) {
        self.change = None;
    }

    /// Shows the keys that owe something, with their buckets.
    pub(super) fn debtors(&self, now: u64) -> impl Iterator<Item = (&K, Account)> {
        let counted = self.entries.iter().map(|entry| (&entry.key, self.counted(entry)));
        counted.filter(move |(_, account)| !account.is_full(now))
    }
}

/// No place is free for a new key.
struct NoPlace;

#[cfg(all(test, not(loom)))]
mod tests;
