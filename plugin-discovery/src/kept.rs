//! Which set holds: the last good one, or what the source says now. A pure decision, which takes `now`.

use std::{collections::BTreeMap, sync::Arc};

use plugin_core::clock::Instant;

use crate::{DiscoveryConfig, Fault, FaultKind, FoundInstance, silence::Silence};

const NONE: &str = "the source has no instance";

/// The set that holds, and what is wrong with its source.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    config: DiscoveryConfig,
    set: Arc<[FoundInstance]>,
    /// Grows with each change of the set. 0: nothing is known of the service yet.
    version: u64,
    /// When the source last said what the set says, the old ones aside.
    confirmed: Option<Instant>,
    fault: Option<Fault>,
    /// Of the whole set.
    silence: Silence,
    /// By name, those that the source told again although what they come from says nothing now. One whose time is over
    /// is no longer in the set, and stays here: told once more, it is as old as it is.
    old: BTreeMap<String, Old>,
}

#[derive(Clone, Copy, Debug)]
struct Old {
    silence: Silence,
    confirmed: Instant,
}

impl Kept {
    pub(crate) fn new(config: DiscoveryConfig) -> Self {
        Self {
            config,
            set: Arc::new([]),
            version: 0,
            confirmed: None,
            fault: None,
            silence: Silence::default(),
            old: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&self) -> &Arc<[FoundInstance]> {
        &self.set
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// When the source last said all of what the set says.
    pub(crate) fn confirmed(&self) -> Option<Instant> {
        self.old_and_held().map(|old| old.confirmed).chain(self.confirmed).min()
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The source says that these are all. Whether anybody can see a difference.
    pub(crate) fn publish(&mut self, Sorted(set): Sorted, now: Instant) -> bool {
        if set.is_empty() {
            return self.fail(FaultKind::Empty, NONE, now);
        }
        self.good(now);
        let recovered = self.fault.take().is_some();
        self.hold(set) || recovered
    }

    /// The source says that these are some, those that it was told of before and not now, and why.
    pub(crate) fn publish_part(
        &mut self,
        found: Sorted,
        Sorted(old): Sorted,
        kind: FaultKind,
        message: &str,
        now: Instant,
    ) -> bool {
        let old: Vec<_> = old.into_iter().filter(|one| !found.has(one.name())).collect();
        self.old = self.aged(&old, kind, now);
        let is_kept = |one: &FoundInstance| self.old.get(one.name()).is_some_and(|old| !self.is_over(old, kind, now));
        let Sorted(set) = found.0.iter().cloned().chain(old.into_iter().filter(is_kept)).collect();
        if set.is_empty() {
            return self.fail(kind, message, now);
        }
        let failed = self.note(kind, message, now);
        // What was found is as good as new, and each other one has a time of its own.
        self.silence = Silence::default();
        if !found.0.is_empty() {
            self.confirmed = Some(now);
        }
        self.hold(set) || failed
    }

    /// The source says that what it published last still holds.
    pub(crate) fn confirm(&mut self, now: Instant) -> bool {
        if self.set.is_empty() || self.silence.has_said_none() {
            // It has said that there are none, and that is a fault still.
            let believed = self.set.is_empty() && self.fault.as_ref().is_some_and(|at| at.kind().says_there_are_none());
            self.confirmed = if believed { Some(now) } else { self.confirmed };
            return false;
        }
        if self.old.iter().any(|(name, old)| old.silence.has_said_none() || !self.holds(name)) {
            // Neither is a part good that has said that it has none, nor one that is no longer in the set.
            return false;
        }
        self.good(now);
        self.fault.take().is_some()
    }

    /// The source has a fault.
    pub(crate) fn fail(&mut self, kind: FaultKind, message: &str, now: Instant) -> bool {
        let failed = self.note(kind, message, now);
        self.silence.note(kind, now);
        self.old.values_mut().for_each(|old| old.silence.note(kind, now));
        if kind.says_there_are_none() && self.set.is_empty() {
            self.confirmed = Some(now);
            // From here on it is known that there are none.
            let was_unknown = self.version == 0;
            self.version = self.version.max(1);
            return failed || was_unknown;
        }
        self.expire(now) || failed
    }

    /// When something of the set is no longer kept, if the source goes on as it is.
    pub(crate) fn due(&self) -> Option<Instant> {
        let kind = self.fault.as_ref()?.kind();
        let parts = self.old_and_held().filter_map(|old| old.silence.due(kind, &self.config));
        self.whole_is_due(kind).into_iter().chain(parts).min()
    }

    /// Drops what is in the set beyond its time. Whether anything was.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let Some(kind) = self.fault.as_ref().map(Fault::kind) else { return false };
        let rest: Vec<_> = if self.whole_is_due(kind).is_some_and(|due| due <= now) {
            Vec::new()
        } else {
            let is_over =
                |one: &FoundInstance| self.old.get(one.name()).is_some_and(|old| self.is_over(old, kind, now));
            self.set.iter().filter(|one| !is_over(one)).cloned().collect()
        };
        let drops = rest.len() < self.set.len();
        if drops {
            self.replace(rest.into());
        }
        drops
    }

    fn whole_is_due(&self, kind: FaultKind) -> Option<Instant> {
        self.silence.due(kind, &self.config).filter(|_| !self.set.is_empty())
    }

    fn is_over(&self, old: &Old, kind: FaultKind, now: Instant) -> bool {
        old.silence.due(kind, &self.config).is_some_and(|due| due <= now)
    }

    /// How old each of these is that are told again with this fault.
    fn aged(&mut self, told: &[FoundInstance], kind: FaultKind, now: Instant) -> BTreeMap<String, Old> {
        // One that was good until now began to be old with the whole set, if that has faults.
        let new = Old { silence: self.silence, confirmed: self.confirmed.unwrap_or(now) };
        let each = told.iter().map(|one| {
            let (name, mut old) = self.old.remove_entry(one.name()).unwrap_or_else(|| (one.name().to_owned(), new));
            old.silence.note(kind, now);
            (name, old)
        });
        each.collect()
    }

    fn old_and_held(&self) -> impl Iterator<Item = &Old> {
        self.old.iter().filter(|(name, _)| self.holds(name)).map(|(_, old)| old)
    }

    fn holds(&self, name: &str) -> bool {
        has(&self.set, name)
    }

    /// Notes a fault, and whether it is another than before.
    fn note(&mut self, kind: FaultKind, message: &str, now: Instant) -> bool {
        let old = self.fault.as_ref();
        let is_other = old.is_none_or(|old| old.kind() != kind || old.message() != message);
        if is_other {
            let since = old.map_or(now, Fault::since);
            self.fault = Some(Fault::new(kind, message.into(), since));
        }
        is_other
    }

    /// Holds a set that the source has just said. Whether it is another than before.
    fn hold(&mut self, set: Vec<FoundInstance>) -> bool {
        let is_other = *self.set != *set;
        if is_other {
            self.replace(set.into());
        }
        is_other
    }

    /// Nothing that was said before counts any more.
    fn good(&mut self, now: Instant) {
        self.confirmed = Some(now);
        self.silence = Silence::default();
        self.old.clear();
    }

    fn replace(&mut self, set: Arc<[FoundInstance]>) {
        self.set = set;
        self.version += 1;
    }
}

/// Instances by name, each once: what a source says in another order is the same set. Of two with one name the first is
/// taken. It is made before the lock is taken that everybody reads under.
#[derive(Debug)]
pub(crate) struct Sorted(Vec<FoundInstance>);

impl Sorted {
    fn has(&self, name: &str) -> bool {
        has(&self.0, name)
    }
}

/// Whether one of these, which are sorted by name, has this name.
fn has(sorted: &[FoundInstance], name: &str) -> bool {
    sorted.binary_search_by(|one| one.name().cmp(name)).is_ok()
}

impl FromIterator<FoundInstance> for Sorted {
    fn from_iter<I: IntoIterator<Item = FoundInstance>>(instances: I) -> Self {
        let mut set: Vec<_> = instances.into_iter().collect();
        set.sort_by(|a, b| a.name().cmp(b.name()));
        set.dedup_by(|later, first| later.name() == first.name());
        Self(set)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// What a source may say.
    #[derive(Clone, Debug)]
    enum Says {
        All(usize),
        Some(usize, FaultKind),
        Same,
        Fails(FaultKind),
        /// Nothing: time has passed.
        Nothing,
    }

    fn set(number: usize) -> Vec<FoundInstance> {
        let addresses: [&[&str]; 3] = [&["a:1"], &["a:1", "b:1"], &["c:1"]];
        addresses[number].iter().copied().map(FoundInstance::new).collect()
    }

    fn kinds() -> impl Strategy<Value = FaultKind> {
        use FaultKind::{Absent, Empty, Ended, Refused, Unreachable, Unreadable};
        proptest::sample::select(vec![Empty, Absent, Unreachable, Refused, Unreadable, Ended])
    }

    fn words() -> impl Strategy<Value = Says> {
        prop_oneof![
            (0_usize..3).prop_map(Says::All),
            ((0_usize..3), kinds()).prop_map(|(set, kind)| Says::Some(set, kind)),
            Just(Says::Same),
            kinds().prop_map(Says::Fails),
            Just(Says::Nothing),
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_source_says_its_last_good_set_holds_for_the_stated_time(
            said in prop::collection::vec((words(), 0_u64..40), 1..60),
            keep_empty_for in 0_u64..60,
            keep_for in prop::option::of(1_u64..60),
        ) {
            let seconds = Duration::from_secs;
            let builder = DiscoveryConfig::builder().with_keep_empty_for(seconds(keep_empty_for));
            let config = match keep_for {
                Some(time) => builder.with_keep_for(seconds(time)).build(),
                None => builder.build(),
            };
            let mut kept = Kept::new(config.expect("in bounds"));
            let mut now = Instant::from_nanos(1);
            // The last set that was published, and when the first bad word came after it.
            let mut good: Option<(Vec<FoundInstance>, Option<Instant>)> = None;
            for (says, wait) in said {
                now = now.saturating_add(seconds(wait));
                let before = kept.clone();
                let told = match &says {
                    Says::All(number) => kept.publish(set(*number).into_iter().rev().collect(), now),
                    Says::Some(number, kind) => {
                        let found = set(*number).into_iter().collect();
                        kept.publish_part(found, Sorted(Vec::new()), *kind, "", now)
                    }
                    Says::Same => kept.confirm(now),
                    Says::Fails(kind) => kept.fail(*kind, "", now),
                    Says::Nothing => kept.expire(now),
                };
                match &says {
                    Says::All(number) | Says::Some(number, _) => good = Some((set(*number), None)),
                    Says::Fails(_) => good = good.map(|(set, bad)| (set, bad.or(Some(now)))),
                    Says::Same if kept.fault().is_none() => good = good.map(|(set, _)| (set, None)),
                    _ => {}
                }
                // What holds is the last set that was published, or nothing when it had bad words for long enough.
                match &good {
                    None => prop_assert!(kept.set().is_empty()),
                    Some((set, bad)) if kept.set().is_empty() => {
                        let bad = bad.expect("it had a bad word");
                        let least = keep_for.map_or(keep_empty_for, |time| time.min(keep_empty_for));
                        prop_assert!(now.saturating_since(bad) >= seconds(least), "{set:?} is gone too soon");
                    }
                    Some((set, _)) => prop_assert_eq!(&**kept.set(), &**set),
                }
                // One that is held beyond its time is one that is due.
                prop_assert!(kept.due().is_none_or(|due| due > now) || matches!(says, Says::Same | Says::Some(..)));
                // Who is not told has missed nothing.
                let differs = *before.set() != *kept.set() || before.version() != kept.version();
                prop_assert!(told || (!differs && before.fault() == kept.fault()));
                prop_assert!(kept.version() >= before.version());
                prop_assert!(*before.set() == *kept.set() || before.version() < kept.version());
                // A source that has just said all is well.
                let is_well = matches!(says, Says::All(_));
                prop_assert!(!is_well || (kept.fault().is_none() && kept.confirmed() == Some(now)));
            }
        }

        #[test]
        fn what_a_part_said_last_holds_for_the_stated_time_from_its_first_bad_word(
            said in prop::collection::vec((0_usize..4, 0_u64..40), 1..60),
            keep_for in 1_u64..60,
        ) {
            let seconds = Duration::from_secs;
            let config = DiscoveryConfig::builder().with_keep_for(seconds(keep_for)).build().expect("in bounds");
            let mut kept = Kept::new(config);
            let mut now = Instant::from_nanos(1);
            // `b` comes from a part that fails, or the whole of the source does.
            let one = |address: &'static str| [FoundInstance::new(address)].into_iter().collect::<Sorted>();
            kept.publish(set(1).into_iter().collect(), now);
            let (mut bad, mut answered) = (None, now);
            for (says, wait) in said {
                now = now.saturating_add(seconds(wait));
                kept.expire(now);
                match says {
                    0 => kept.publish(set(1).into_iter().collect(), now),
                    1 => kept.fail(FaultKind::Unreachable, "", now),
                    2 => kept.publish_part(one("a:1"), one("b:1"), FaultKind::Refused, "", now),
                    _ => kept.expire(now),
                };
                (bad, answered) = match says {
                    0 => (None, now),
                    1 | 2 => (bad.or(Some(now)), answered),
                    _ => (bad, answered),
                };
                let is_over = bad.is_some_and(|bad| now.saturating_since(bad) >= seconds(keep_for));
                prop_assert_eq!(kept.holds("b:1"), !is_over);
                prop_assert!(is_over || kept.confirmed() == Some(answered), "as old as its oldest");
                prop_assert!(kept.due().is_none_or(|due| due > now));
            }
        }
    }
}
