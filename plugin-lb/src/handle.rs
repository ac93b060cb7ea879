//! The handle of a balancer: adds and removes instances, reads statistics, changes settings.

use std::{convert::Infallible, fmt, sync::Arc};

use plugin_core::{InstanceId, Rejected, clock};

use crate::{
    BalanceConfig, BalanceEvents, Endpoint, Hints, InstanceStats, LoadReport, MembershipError, TierStats,
    error::MembershipErrorKind::{Duplicate, Unknown, Weight},
    membership::{Entry, Membership, Snapshot},
    picked_instance::PickedInstance,
};

/// Adds and removes instances, reads statistics and changes settings, while calls go on.
///
/// Each change is one swap of the whole membership: a pick sees it before or after, never between.
///
/// ```
/// use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
/// use tower::{BoxError, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let instance =
///     |name: &'static str| Endpoint::new(name, service_fn(move |(): ()| async move { Ok::<_, BoxError>(name) }));
/// let balance = Balance::new(BalanceConfig::default(), [instance("old")])?;
/// let handle = balance.handle();
///
/// handle.add(instance("new"))?;
/// handle.disable_instance("old")?; // calls in flight on it go on to their end
/// assert_eq!(balance.oneshot(()).await?, "new");
/// assert_eq!(handle.get("new").map(|stats| stats.ok), Some(1));
///
/// handle.remove("old")?;
/// handle.reconfigure(BalanceConfig::builder().with_strategy(Strategy::LeastConnections).build()?);
/// assert_eq!(handle.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct BalanceHandle<S>(Arc<Membership<S>>);

impl<S> BalanceHandle<S> {
    pub(crate) fn new(shared: Arc<Membership<S>>) -> Self {
        Self(shared)
    }

    pub(crate) fn membership(&self) -> &Arc<Membership<S>> {
        &self.0
    }

    /// Adds an instance.
    ///
    /// # Errors
    ///
    /// When there is one of this name, or the weight is out of bounds.
    pub fn add(&self, endpoint: Endpoint<S>) -> Result<InstanceId, MembershipError>
    where
        S: Clone,
    {
        self.0.change(|_, entries| self.push(entries, endpoint, has_takers(entries)))
    }

    /// Adds several at once, or none.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn extend(&self, endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Result<Vec<InstanceId>, MembershipError>
    where
        S: Clone,
    {
        // Before the lock: what the caller's iterator does holds up nobody.
        let endpoints: Vec<_> = endpoints.into_iter().collect();
        self.0.change(|_, entries| {
            let joins = has_takers(entries);
            endpoints.into_iter().map(|endpoint| self.push(entries, endpoint, joins)).collect()
        })
    }

    /// `joins`: others take calls already.
    fn push(
        &self,
        entries: &mut Vec<Entry<S>>,
        endpoint: Endpoint<S>,
        joins: bool,
    ) -> Result<InstanceId, MembershipError>
    where
        S: Clone,
    {
        check_weight(endpoint.weight, &endpoint.name)?;
        if position(entries, &endpoint.name).is_some() {
            return Err(MembershipError::new(Duplicate, endpoint.name));
        }
        let entry = Entry::new(endpoint, &self.0);
        if joins {
            entry.warmth.begin();
        }
        let id = entry.id;
        entries.push(entry);
        Ok(id)
    }

    /// Removes an instance. No pick sees it from now on; calls that are in flight on it go on to their end.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn remove(&self, name: &str) -> Result<RemovedInstance<S>, MembershipError> {
        self.remove_from(name).map(|(removed, _)| removed)
    }

    /// The same, with what was before.
    pub(crate) fn remove_from(&self, name: &str) -> Result<(RemovedInstance<S>, Arc<Snapshot<S>>), MembershipError> {
        self.0.change_from(|_, entries| {
            let position = position(entries, name).ok_or_else(|| MembershipError::new(Unknown, name))?;
            Ok(RemovedInstance(entries.remove(position)))
        })
    }

    /// Lets an instance take calls again.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn enable_instance(&self, name: &str) -> Result<(), MembershipError> {
        self.change_one(name, |entry| {
            if !std::mem::replace(&mut entry.enabled, true) {
                entry.warmth.begin();
            }
        })
    }

    /// Stops an instance from taking calls. Those in flight go on to their end.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn disable_instance(&self, name: &str) -> Result<(), MembershipError> {
        self.change_one(name, |entry| entry.enabled = false)
    }

    /// Changes an instance's share of the calls.
    ///
    /// # Errors
    ///
    /// When there is none of this name, or the weight is out of bounds.
    pub fn set_weight(&self, name: &str, weight: u32) -> Result<(), MembershipError> {
        check_weight(weight, name)?;
        self.change_one(name, |entry| entry.weight = weight)
    }

    /// Says what the load of an instance is, as its responses would: for reports that come by another way than those. Has no
    /// effect under another strategy than `reported-weights`.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn report(&self, name: &str, report: &LoadReport) -> Result<(), MembershipError> {
        let snapshot = self.0.load();
        let position = position(&snapshot.entries, name).ok_or_else(|| MembershipError::new(Unknown, name))?;
        snapshot.entries[position].meter.reported.report(report, clock::now());
        Ok(())
    }

    fn change_one(&self, name: &str, change: impl FnOnce(&mut Entry<S>)) -> Result<(), MembershipError> {
        self.0.change(|_, entries| {
            let position = position(entries, name).ok_or_else(|| MembershipError::new(Unknown, name))?;
            change(&mut entries[position]);
            Ok(())
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> BalanceConfig {
        self.0.load().config.clone()
    }

    /// Changes the settings. Instances and their statistics stay.
    pub fn reconfigure(&self, config: BalanceConfig) {
        let Ok(()) = self.0.change(|present, _| {
            *present = config;
            Ok::<_, Infallible>(())
        });
    }

    /// The statistics of every instance, in the order in which they joined.
    #[must_use]
    pub fn stats(&self) -> Vec<InstanceStats> {
        self.0.load().entries.iter().map(InstanceStats::read).collect()
    }

    /// What is known of each [tier](crate#zones-priorities-subsets), in the order in which they are asked. Empty where nobody takes calls.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierStats> {
        self.0.load().tier_stats()
    }

    /// The statistics of one instance.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<InstanceStats> {
        let snapshot = self.0.load();
        position(&snapshot.entries, name).map(|position| InstanceStats::read(&snapshot.entries[position]))
    }

    /// The name of the instance with this id, as responses and errors are tagged with.
    #[must_use]
    pub fn name_of(&self, id: InstanceId) -> Option<Arc<str>> {
        let snapshot = self.0.load();
        snapshot.entries.iter().find(|entry| entry.id == id).map(|entry| Arc::clone(&entry.member.name))
    }

    /// The events from now on: instances that are ejected as outliers, and those that are back.
    ///
    /// ```
    /// use plugin_lb::{Balance, BalanceConfig, BalanceEvents, Endpoint, OutlierConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = BalanceConfig::builder().with_outlier(OutlierConfig::default()).build()?;
    /// let balance = Balance::new(config, [Endpoint::new("a", ()), Endpoint::new("b", ())])?;
    /// let events: BalanceEvents = balance.handle().events();
    /// tokio::spawn(events.for_each(|event| println!("{}: {:?}", event.name, event.change)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> BalanceEvents {
        self.0.outliers.events()
    }

    /// The names of all instances.
    pub(crate) fn names(&self) -> impl Iterator<Item = Arc<str>> {
        let names: Vec<_> = self.0.load().entries.iter().map(|entry| Arc::clone(&entry.member.name)).collect();
        names.into_iter()
    }

    /// How many instances there are, the disabled ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.load().entries.len()
    }

    /// Whether there is no instance.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Picks an instance as a call would, takes the turn of one, and calls nothing.
    ///
    /// # Errors
    ///
    /// `LOADBALANCER_1701` when no instance is enabled.
    pub fn pick(&self, hints: &Hints<'_>) -> Result<PickedInstance<S>, Rejected> {
        self.0.load().begin(&self.0.turns, hints, &[]).map(PickedInstance).ok_or_else(Rejected::no_endpoint)
    }
}

/// Whether any takes calls, so that one that joins now joins others.
pub(crate) fn has_takers<S>(entries: &[Entry<S>]) -> bool {
    entries.iter().any(Entry::takes_calls)
}

fn position<S>(entries: &[Entry<S>], name: &str) -> Option<usize> {
    entries.iter().position(|entry| &*entry.member.name == name)
}

pub(crate) fn check_weight(weight: u32, name: &str) -> Result<(), MembershipError> {
    match weight {
        1..=Endpoint::MAX_WEIGHT => Ok(()),
        _ => Err(MembershipError::new(Weight, name)),
    }
}

impl<S> Clone for BalanceHandle<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for BalanceHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.0.load();
        let names: Vec<_> = snapshot.entries.iter().map(|entry| &entry.member.name).collect();
        f.debug_struct("BalanceHandle").field("config", &snapshot.config).field("instances", &names).finish()
    }
}

/// An instance that was removed and may still have calls in flight.
pub struct RemovedInstance<S>(pub(crate) Entry<S>);

impl<S> RemovedInstance<S> {
    /// Its statistics; `active` falls to 0 as its calls end.
    #[must_use]
    pub fn stats(&self) -> InstanceStats {
        InstanceStats::read(&self.0)
    }

    /// Calls that are still in flight on it.
    #[must_use]
    pub fn active(&self) -> usize {
        self.0.in_flight()
    }
}

impl<S> fmt::Debug for RemovedInstance<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemovedInstance").field("name", &self.0.member.name).field("active", &self.active()).finish()
    }
}
