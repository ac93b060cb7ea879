//! What every clone of a split shares: its branches and weights at this moment.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

use super::{
    BranchError, BranchErrorKind, TrafficSplitConfig, branch::Entry, in_flight::InFlight, sticky, turns::ExactTurns,
};
use crate::Hints;

pub(super) struct SplitState<S> {
    snapshot: ArcSwap<Snapshot<S>>,
    /// Held while a snapshot is made from the last one.
    change: Mutex<()>,
}

impl<S> SplitState<S> {
    pub(super) fn new() -> Self {
        let snapshot = Snapshot::new(TrafficSplitConfig::default(), Vec::new());
        Self { snapshot: ArcSwap::from_pointee(snapshot), change: Mutex::new(()) }
    }

    /// Makes the next snapshot from the present one. An error leaves everything as it was.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut TrafficSplitConfig, &mut Vec<Entry<S>>) -> Result<(), BranchError>,
    ) -> Result<(), BranchError> {
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.snapshot.load();
        let (mut config, mut entries) = (present.config.clone(), present.entries.clone());
        change(&mut config, &mut entries)?;
        if let Some((unknown, _)) = config.weights().find(|(name, _)| position(&entries, name).is_none()) {
            return Err(BranchError::new(BranchErrorKind::Unknown, unknown));
        }
        self.snapshot.store(Arc::new(Snapshot::new(config, entries)));
        Ok(())
    }
}

impl<S> Deref for SplitState<S> {
    type Target = ArcSwap<Snapshot<S>>;

    fn deref(&self) -> &Self::Target {
        &self.snapshot
    }
}

pub(super) fn position<S>(entries: &[Entry<S>], name: &str) -> Option<usize> {
    entries.iter().position(|entry| &*entry.branch.name == name)
}

/// The branches and the weights at one moment, with the order of turns. The turns of each begin anew, so that every 1,000 calls
/// under the same weights are exact.
pub(super) struct Snapshot<S> {
    pub(super) config: TrafficSplitConfig,
    /// Every branch, in the order in which they joined.
    pub(super) entries: Vec<Entry<S>>,
    /// Those that have a weight, which the turns know by their index here.
    weighted: Box<[Entry<S>]>,
    turns: ExactTurns,
}

impl<S> Snapshot<S> {
    fn new(config: TrafficSplitConfig, mut entries: Vec<Entry<S>>) -> Self {
        for entry in &mut entries {
            entry.weight = config.weight(&entry.branch.name);
        }
        let weighted: Box<[Entry<S>]> = entries.iter().filter(|entry| entry.weight > 0).cloned().collect();
        let weights: Vec<u32> = weighted.iter().map(|entry| entry.weight).collect();
        Self { config, entries, weighted, turns: ExactTurns::new(&weights) }
    }

    /// The branch of a call, which is in flight on it from now.
    #[inline]
    pub(super) fn begin(&self, hints: &Hints<'_>) -> Option<InFlight<S>> {
        let entry = match &*self.weighted {
            [] => return None,
            [only] => only,
            several => several.get(match hints.affinity() {
                None => self.turns.next(),
                Some(key) => sticky::branch_of(key, several.iter().map(|entry| (entry.hash, entry.weight))),
            })?,
        };
        Some(InFlight::on(entry.branch.lease()))
    }
}
