//! Buckets that new keys share which find no place in the table.

use std::sync::OnceLock;

use super::{
    account::{Account, Change, Terms},
    own_limits::OwnLimits,
};
use crate::{
    gcra::Decision,
    places::Places,
    sync::{Mutex, lock},
};

/// A set for all keys whose settings are those of all, 32 kB at most, and sets for the others. Made when they are first needed,
/// and kept from then on.
#[derive(Default)]
pub(super) struct Overflow {
    common: OnceLock<Places<Mutex<Account>>>,
    own: Mutex<OwnLimits>,
}

impl Overflow {
    /// Takes tokens out of the bucket that this hash falls to, on the terms of all keys.
    #[cold]
    pub(super) fn take(&self, hash: u32, terms: Terms, tokens: u64, now: u64) -> (Decision, Account) {
        let buckets = self.common.get_or_init(|| Places::new(|| Mutex::new(Account::full(terms))));
        let mut account = lock(buckets.at(hash.into()));
        *account = account.settled(terms, None, now);
        let decision = account.take(terms, tokens, now);
        (decision, *account)
    }

    /// The same on terms of the key's own, for which there are buckets of their own.
    #[cold]
    pub(super) fn take_own(&self, hash: u32, terms: Terms, tokens: u64, now: u64) -> (Decision, Account) {
        lock(&self.own).take(hash, terms, tokens, now)
    }

    /// Counts what is owed at the pace of other settings of all keys.
    pub(super) fn change(&self, from: Terms, to: Terms, now: u64) {
        let change = Change::from(from, now);
        for bucket in self.common.get().into_iter().flat_map(Places::iter) {
            let mut account = lock(bucket);
            *account = change.applied(*account, to);
        }
    }
}
