//! A whole new set of instances in one step.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use plugin_core::InstanceId;

use crate::{
    BalanceHandle, Endpoint, MembershipError, RemovedInstance,
    error::MembershipErrorKind::Duplicate,
    handle::{check_weight, has_takers},
    membership::{Entry, Membership},
};

impl<S> BalanceHandle<S> {
    /// Makes these the instances, in one step: what discovery does with each set that it has found.
    ///
    /// One whose name is there already stays, with its service, its statistics and its calls in flight, and takes over the weight, the
    /// priority and the zone, the health cell if there is a new one, and whether it [takes calls](Endpoint::with_enabled). What an
    /// operator has [disabled](Self::disable_instance) stays so. One that is new is made with `connect`, of its name and of what its
    /// endpoint holds; that is asked outside of every lock, and what it has made is dropped if there is one of that name by then. Those
    /// that are not among them are removed: no pick sees them from now on, and their calls go on to their end.
    ///
    /// ```
    /// use plugin_lb::{Balance, BalanceConfig, Endpoint};
    /// use tower::{BoxError, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let client = |name: &str, port: u16| {
    ///     let at = format!("{name}:{port}");
    ///     service_fn(move |(): ()| std::future::ready(Ok::<_, BoxError>(at.clone())))
    /// };
    /// let balance = Balance::new(BalanceConfig::default(), [])?;
    /// let handle = balance.handle();
    ///
    /// handle.replace([Endpoint::new("10.0.0.1", 80), Endpoint::new("10.0.0.2", 80)], client)?;
    /// assert_eq!(balance.clone().oneshot(()).await?, "10.0.0.1:80");
    ///
    /// let change = handle.replace([Endpoint::new("10.0.0.2", 80), Endpoint::new("10.0.0.3", 80)], client)?;
    /// assert_eq!((change.added.len(), change.removed.len()), (1, 1));
    /// assert_eq!(handle.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When two have one name, or a weight is out of bounds. Then nothing is changed, and nothing connected.
    pub fn replace<T>(
        &self,
        endpoints: impl IntoIterator<Item = Endpoint<T>>,
        mut connect: impl FnMut(&str, T) -> S,
    ) -> Result<ReplacedInstances<S>, MembershipError>
    where
        S: Clone,
    {
        let mut set = checked(endpoints)?;
        loop {
            let there: HashSet<_> = self.names().collect();
            let connected = |endpoint: Endpoint<Target<T, S>>| {
                let name = Arc::clone(&endpoint.name);
                endpoint.map(|target| match target {
                    Target::Found(found) if !there.contains(&name) => Target::Connected(connect(&name, found)),
                    target => target,
                })
            };
            set = set.into_iter().map(connected).collect();
            match self.membership().change(|_, entries| applied(set, entries, self.membership())) {
                Ok(replaced) => return Ok(replaced),
                // One that was there is not any more.
                Err(again) => set = again,
            }
        }
    }
}

/// What an endpoint of a set holds.
enum Target<T, S> {
    /// What was found of it.
    Found(T),
    /// The service that was made of that.
    Connected(S),
}

type Set<T, S> = Vec<Endpoint<Target<T, S>>>;

fn checked<T, S>(endpoints: impl IntoIterator<Item = Endpoint<T>>) -> Result<Set<T, S>, MembershipError> {
    let mut names = HashSet::new();
    let mut check = |endpoint: Endpoint<T>| {
        check_weight(endpoint.weight, &endpoint.name)?;
        if names.insert(Arc::clone(&endpoint.name)) {
            Ok(endpoint.map(Target::Found))
        } else {
            Err(MembershipError::new(Duplicate, endpoint.name))
        }
    };
    endpoints.into_iter().map(&mut check).collect()
}

/// Makes the set the entries; or gives it back, where one is new that is not connected.
fn applied<T, S: Clone>(
    set: Set<T, S>,
    entries: &mut Vec<Entry<S>>,
    home: &Arc<Membership<S>>,
) -> Result<ReplacedInstances<S>, Set<T, S>> {
    let joins = has_takers(entries);
    let mut left: HashMap<Arc<str>, Entry<S>> =
        entries.drain(..).map(|entry| (Arc::clone(&entry.member.name), entry)).collect();
    let is_missing = |endpoint: &Endpoint<Target<T, S>>| {
        matches!(endpoint.service, Target::Found(_)) && !left.contains_key(&endpoint.name)
    };
    if set.iter().any(is_missing) {
        return Err(set);
    }
    let mut added = Vec::new();
    for endpoint in set {
        if let Some(entry) = left.remove(&endpoint.name) {
            entries.push(entry.offered_as(endpoint));
            continue;
        }
        let offered = endpoint.enabled;
        let Endpoint { name, service: Target::Connected(service), weight, priority, zone, health, .. } = endpoint
        else {
            continue;
        };
        let endpoint = Endpoint { name, service, weight, priority, enabled: true, zone, health };
        let mut entry = Entry::new(endpoint, home);
        entry.offered = offered;
        if joins {
            entry.warmth.begin();
        }
        added.push(entry.id);
        entries.push(entry);
    }
    Ok(ReplacedInstances { added, removed: left.into_values().map(RemovedInstance).collect() })
}

/// What came of a whole new set of instances.
#[derive(Debug)]
#[must_use = "removed instances may have calls in flight"]
#[non_exhaustive]
pub struct ReplacedInstances<S> {
    /// Those that are new, in their order.
    pub added: Vec<InstanceId>,
    /// Those that are not part of it any more.
    pub removed: Vec<RemovedInstance<S>>,
}
