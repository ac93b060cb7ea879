//! One branch, and what is counted of it.

use std::sync::Arc;

use plugin_core::{
    Judgement, Verdict,
    sync::{Slots, Striped, StripedCounter},
};

use super::{BranchStats, sticky};

/// A branch for as long as it is part of a split. Calls in flight are the leases of it.
pub(super) struct Branch<S> {
    pub(super) name: Arc<str>,
    pub(super) slots: Slots<S>,
    pub(super) counts: Arc<BranchCounts>,
    /// Leased by responses whose body is followed to its end.
    pub(super) bodies: Striped<BranchCounts>,
}

impl<S: Clone> Branch<S> {
    pub(super) fn new(name: Arc<str>, service: S) -> Self {
        let counts = Arc::new(BranchCounts::default());
        let bodies = Striped::from_arc(Arc::clone(&counts));
        Self { name, slots: Slots::new(service), counts, bodies }
    }
}

/// A branch in one snapshot.
pub(super) struct Entry<S> {
    pub(super) branch: Striped<Branch<S>>,
    pub(super) weight: u32,
    /// What its name adds to the hash of a key.
    pub(super) hash: u64,
}

impl<S: Clone> Entry<S> {
    pub(super) fn new(name: Arc<str>, service: S) -> Self {
        let hash = sticky::hash_of(&name);
        Self { branch: Striped::new(Branch::new(name, service)), weight: 0, hash }
    }
}

impl<S> Entry<S> {
    pub(super) fn stats(&self) -> BranchStats {
        let counts = &self.branch.counts;
        let active = (self.branch.leases() + self.branch.bodies.leases()) as u64;
        let (ok, failed) = (counts.ok.sum(), counts.failed.sum());
        BranchStats {
            name: Arc::clone(&self.branch.name),
            weight: self.weight,
            calls: ok + failed + counts.neither.sum() + active,
            ok,
            failed,
            active,
        }
    }
}

impl<S> Clone for Entry<S> {
    fn clone(&self) -> Self {
        Self { branch: self.branch.clone(), weight: self.weight, hash: self.hash }
    }
}

/// How the calls of a branch ended.
#[derive(Default)]
pub(super) struct BranchCounts {
    ok: StripedCounter,
    failed: StripedCounter,
    neither: StripedCounter,
}

impl BranchCounts {
    /// Calls that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ok.sum().wrapping_add(self.failed.sum()).wrapping_add(self.neither.sum())
    }

    pub(super) fn add(&self, how: Ended) {
        match how {
            Ended::Well => self.ok.add(1),
            Ended::Failed => self.failed.add(1),
            Ended::Neither => self.neither.add(1),
        }
    }
}

/// What a call says of its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    Neither,
}

impl Ended {
    #[inline]
    pub(super) fn of(judged: &Judgement) -> Self {
        match judged.verdict() {
            Verdict::Success => Self::Well,
            Verdict::Failure => Self::Failed,
            _ => Self::Neither,
        }
    }
}
