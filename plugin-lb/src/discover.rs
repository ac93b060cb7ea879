//! Follows a stream of services that come and go.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

use tokio::task::{coop::unconstrained, yield_now};
use tower::discover::{Change, Discover};

use crate::{
    BalanceHandle, Endpoint,
    handle::has_takers,
    membership::{Entry, Membership},
};

/// The most changes that are made in one swap. More that are there at once come in the next, after others had their turn.
const MOST: usize = 16_384;

impl<S> BalanceHandle<S> {
    /// Adds and removes instances as a [`Discover`] says, until that ends. The future does nothing before it is polled: spawn it.
    ///
    /// A key is the name of its instance, as `Display` writes it. A service that is inserted under a name that is there takes the
    /// place of the other one in the same swap, with its weight, priority, zone and whether it takes calls; its statistics begin anew, and
    /// the calls on the other one go on to their end. What is to be removed and is not there is left at that. Instances that
    /// were added by hand stay as they are. All changes that are there at once are one swap.
    ///
    /// It holds neither the balancer nor its instances: where these are gone, it ends with the next change. Dropping it leaves
    /// the instances as they are at that moment.
    ///
    /// ```
    /// use plugin_lb::{Balance, BalanceConfig};
    /// use tower::{BoxError, ServiceExt, discover::Change, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let instance = |name: &'static str| service_fn(move |(): ()| async move { Ok::<_, BoxError>(name) });
    /// // Any stream of changes is one, such as that of a registry of your own.
    /// let changes = futures_util::stream::iter([
    ///     Ok::<_, BoxError>(Change::Insert("a", instance("a"))),
    ///     Ok(Change::Insert("b", instance("b"))),
    ///     Ok(Change::Remove("a")),
    /// ]);
    ///
    /// let balance = Balance::new(BalanceConfig::default(), [])?;
    /// let follower = tokio::spawn(balance.handle().follow(changes));
    /// follower.await??;
    /// assert_eq!(balance.oneshot(()).await?, "b");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of the stream, after the changes that came before it. The instances stay.
    pub fn follow<D>(&self, discover: D) -> impl Future<Output = Result<(), D::Error>> + use<S, D>
    where
        D: Discover<Service = S>,
        D::Key: ToString,
        S: Clone,
    {
        let membership = Arc::downgrade(self.membership());
        follow(membership, discover)
    }
}

async fn follow<S, D>(membership: Weak<Membership<S>>, discover: D) -> Result<(), D::Error>
where
    D: Discover<Service = S>,
    D::Key: ToString,
    S: Clone,
{
    let mut discover = pin!(discover);
    loop {
        // The changes that are there, and whether no more come.
        let read = poll_fn(|cx| {
            let mut changes = Vec::new();
            while changes.len() < MOST {
                match discover.as_mut().poll_discover(cx) {
                    Poll::Ready(Some(Ok(change))) => changes.push(change),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready((changes, Some(Err(error)))),
                    Poll::Ready(None) => return Poll::Ready((changes, Some(Ok(())))),
                    Poll::Pending if changes.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready((changes, None))
        });
        // Without tokio's budget, which ends at the 128th message of one of its channels: ten thousand instances would be
        // eighty swaps, each with a new table. It yields itself.
        let (changes, end) = unconstrained(read).await;
        let is_full = changes.len() == MOST;
        let Some(membership) = membership.upgrade() else { return Ok(()) };
        apply(&membership, changes);
        drop(membership);
        if let Some(end) = end {
            return end;
        }
        if is_full {
            yield_now().await;
        }
    }
}

/// Makes these changes in one swap.
fn apply<K: ToString, S: Clone>(membership: &Arc<Membership<S>>, changes: Vec<Change<K, S>>) {
    if changes.is_empty() {
        return;
    }
    let Ok(()) = membership.change(|_, entries| {
        let joins = has_takers(entries);
        let mut places: HashMap<Arc<str>, usize> =
            (0..).zip(&*entries).map(|(place, entry)| (Arc::clone(&entry.member.name), place)).collect();
        // In the places in which they joined; those that are removed leave theirs empty.
        let mut members: Vec<Option<Entry<S>>> = entries.drain(..).map(Some).collect();
        for change in changes {
            match change {
                Change::Remove(key) => {
                    if let Some(member) = places.remove(&*key.to_string()).and_then(|place| members.get_mut(place)) {
                        *member = None;
                    }
                }
                Change::Insert(key, service) => {
                    let name: Arc<str> = key.to_string().into();
                    let mut entry = Entry::new(Endpoint::new(Arc::clone(&name), service), membership);
                    if joins {
                        entry.warmth.begin();
                    }
                    match places.get(&name).and_then(|place| members.get_mut(*place)) {
                        Some(member) => {
                            if let Some(old) = member.take() {
                                let Entry { weight, priority, zone, enabled, offered, .. } = old;
                                (entry.weight, entry.priority, entry.zone) = (weight, priority, zone);
                                (entry.enabled, entry.offered) = (enabled, offered);
                            }
                            *member = Some(entry);
                        }
                        None => {
                            places.insert(name, members.len());
                            members.push(Some(entry));
                        }
                    }
                }
            }
        }
        entries.extend(members.into_iter().flatten());
        Ok::<_, Infallible>(())
    });
}
