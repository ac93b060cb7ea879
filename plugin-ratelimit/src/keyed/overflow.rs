//! Buckets that new keys share while every place of the table is taken by a key that owes something.

use std::sync::OnceLock;

use super::account::{Account, Change, Terms};
use crate::{
    gcra::Decision,
    sync::{Mutex, lock},
};

/// How many there are: enough that two who are not part of a flood hardly meet, in 32 kB at most. Models of threads have two, or
/// one change of settings would be more steps than they can follow.
pub(super) const BUCKETS: usize = if cfg!(loom) { 2 } else { 1024 };

/// Made when they are first needed, and kept from then on.
#[derive(Default)]
pub(super) struct Overflow(OnceLock<Box<[Mutex<Account>]>>);

impl Overflow {
    /// Takes tokens out of the bucket that this hash falls to. The terms are those of the key that asks: keys of different
    /// paces may share a bucket, and then owe each other's tokens at their own pace.
    #[cold]
    pub(super) fn take(&self, hash: u32, terms: Terms, tokens: u64, now: u64) -> (Decision, Account) {
        let make = || (0..BUCKETS).map(|_| Mutex::new(Account::full(terms))).collect();
        let buckets = self.0.get_or_init(make);
        // The hash has a random seed, so nobody can choose whom he meets.
        let mut account = lock(&buckets[hash as usize % BUCKETS]);
        *account = account.settled(terms, None, now);
        let decision = account.take(terms, tokens, now);
        (decision, *account)
    }

    /// Counts what is owed at the pace of other settings of all keys.
    pub(super) fn change(&self, from: Terms, to: Terms, now: u64) {
        let change = Change::from(from, now);
        for bucket in self.0.get().into_iter().flatten() {
            let mut account = lock(bucket);
            *account = change.applied(*account, to);
        }
    }
}
