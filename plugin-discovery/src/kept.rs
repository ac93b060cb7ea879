//! Which set holds: the last good one, or what the source says now. A pure decision, which takes `now`.

use std::sync::Arc;

use plugin_core::clock::Instant;

use crate::{DiscoveryConfig, Fault, FaultKind, FoundInstance};

const NONE: &str = "the source has no instance";

/// The set that holds, and what is wrong with its source.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    config: DiscoveryConfig,
    set: Arc<[FoundInstance]>,
    /// Grows with each change of the set. 0: nothing is known of the service yet.
    version: u64,
    /// When the source last said what the set says.
    confirmed: Option<Instant>,
    fault: Option<Fault>,
    /// When the source first said that there is nothing, since the last good answer.
    empty_since: Option<Instant>,
    /// When it first said nothing of use, since the last good answer.
    unknown_since: Option<Instant>,
}

impl Kept {
    pub(crate) fn new(config: DiscoveryConfig) -> Self {
        Self {
            config,
            set: Arc::new([]),
            version: 0,
            confirmed: None,
            fault: None,
            empty_since: None,
            unknown_since: None,
        }
    }

    pub(crate) fn set(&self) -> &Arc<[FoundInstance]> {
        &self.set
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn confirmed(&self) -> Option<Instant> {
        self.confirmed
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The source says that these are all. Whether anybody can see a difference.
    pub(crate) fn publish(&mut self, Sorted(set): Sorted, now: Instant) -> bool {
        if set.is_empty() {
            return self.fail(FaultKind::Empty, NONE, now);
        }
        let recovered = self.fault.take().is_some();
        self.hold(set, now) || recovered
    }

    /// The source says that these are some, and why others may be missing.
    pub(crate) fn publish_part(&mut self, Sorted(set): Sorted, kind: FaultKind, message: &str, now: Instant) -> bool {
        if set.is_empty() {
            return self.fail(kind, message, now);
        }
        let failed = self.note(kind, message, now);
        self.hold(set, now) || failed
    }

    /// The source says that what it published last still holds.
    pub(crate) fn confirm(&mut self, now: Instant) -> bool {
        if self.set.is_empty() || self.empty_since.is_some() {
            // It has said that there are none, and that is a fault still.
            let believed = self.set.is_empty() && self.fault.as_ref().is_some_and(|at| at.kind().says_there_are_none());
            self.confirmed = if believed { Some(now) } else { self.confirmed };
            return false;
        }
        self.good(now);
        self.fault.take().is_some()
    }

    /// The source has a fault.
    pub(crate) fn fail(&mut self, kind: FaultKind, message: &str, now: Instant) -> bool {
        let failed = self.note(kind, message, now);
        let first = if kind.says_there_are_none() { &mut self.empty_since } else { &mut self.unknown_since };
        first.get_or_insert(now);
        if kind.says_there_are_none() && self.set.is_empty() {
            self.confirmed = Some(now);
            // From here on it is known that there are none.
            let was_unknown = self.version == 0;
            self.version = self.version.max(1);
            return failed || was_unknown;
        }
        self.expire(now) || failed
    }

    /// When the set is no longer kept, if the source goes on as it is.
    pub(crate) fn due(&self) -> Option<Instant> {
        let kind = self.fault.as_ref().filter(|_| !self.set.is_empty())?.kind();
        if kind.says_there_are_none() {
            return Some(self.empty_since?.saturating_add(self.config.keep_empty_for()));
        }
        Some(self.unknown_since?.saturating_add(self.config.keep_for()?))
    }

    /// Drops the set when its time is over. Whether it was.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.due().is_none_or(|due| now < due) {
            return false;
        }
        self.replace(Arc::new([]));
        true
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
    fn hold(&mut self, set: Vec<FoundInstance>, now: Instant) -> bool {
        self.good(now);
        let is_other = *self.set != *set;
        if is_other {
            self.replace(set.into());
        }
        is_other
    }

    /// Nothing that was said before counts any more.
    fn good(&mut self, now: Instant) {
        self.confirmed = Some(now);
        self.empty_since = None;
        self.unknown_since = None;
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
                    Says::Some(number, kind) => kept.publish_part(set(*number).into_iter().collect(), *kind, "", now),
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
    }
}
