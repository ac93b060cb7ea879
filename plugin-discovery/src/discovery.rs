//! The handle of a source that runs.

use std::{fmt, future::pending, sync::Arc, time::Duration};

use plugin_core::clock;
use tokio::sync::watch;

use crate::{
    DiscoveryConfig, Fault, Following, FoundInstance, NoInstanceError, Source, follower::Follower, kept::Kept,
    running::Running, task,
};

/// A source that runs: a task finds the instances of a service and keeps the last good set.
///
/// This is its handle, cheap to clone. The task ends when the last handle is dropped, and with it the last
/// [`Following`]; what the source was waiting for is dropped then. Every method may be called any number of times.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::{Discovery, StaticSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = Discovery::start(StaticSource::at(["10.0.0.1:80"]));
/// let found = discovery.first(Duration::from_secs(5)).await?;
/// assert_eq!(found[0].address(), "10.0.0.1:80");
/// assert!(discovery.fault().is_none() && !discovery.is_stale());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Discovery {
    task: Arc<Running>,
    seen: Follower,
}

impl Discovery {
    /// Runs a source, with the [default](DiscoveryConfig) time for which its last good set is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    #[must_use = "dropping the last handle ends the source"]
    pub fn start<S: Source>(source: S) -> Self {
        Self::start_with(DiscoveryConfig::default(), source)
    }

    /// Runs a source with these settings.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with a timer.
    #[must_use = "dropping the last handle ends the source"]
    pub fn start_with<S: Source>(config: DiscoveryConfig, source: S) -> Self {
        let (sender, kept) = watch::channel(Kept::new(config));
        let task = tokio::spawn(task::run(source, Arc::new(sender))).abort_handle();
        Self { task: Arc::new(Running::new(task)), seen: Follower::new(kept) }
    }

    /// The set that holds: each instance once, sorted by name. Empty until the first one was found.
    #[must_use]
    pub fn instances(&self) -> Arc<[FoundInstance]> {
        Arc::clone(self.seen.now().set())
    }

    /// Waits until the set is another than this handle told last, and gives it back; the first time, until anything is
    /// known, which may be that there are none. A set that the source has published again unchanged is passed over; of
    /// several changes since, the newest is told. A clone goes on from where the handle was.
    ///
    /// A future that is dropped has missed nothing. It never ends when the runtime is gone.
    pub async fn changed(&mut self) -> Arc<[FoundInstance]> {
        match self.seen.next().await {
            Some(set) => set,
            None => pending().await,
        }
    }

    /// Waits until there is at least one instance, and gives back the set: for a program that is to start with one.
    /// Dropping the future does nothing.
    ///
    /// # Errors
    ///
    /// When there was none within this time. The error has the source's fault, if it has one.
    pub async fn first(&self, within: Duration) -> Result<Arc<[FoundInstance]>, NoInstanceError> {
        let mut seen = self.seen.clone();
        let found = async {
            match seen.wait_for(|kept| !kept.set().is_empty()).await {
                Some(set) => set,
                None => pending().await,
            }
        };
        let found = tokio::time::timeout(within, found).await;
        found.map_err(|_| NoInstanceError::new(within, self.fault()))
    }

    /// What is wrong with the source now, and since when. `None`: all is well, or it has not answered yet.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.seen.now().fault().cloned()
    }

    /// Waits until what is wrong is another than this handle told last, and gives it back: for a log, or an alarm.
    /// `None`: all is well again. The first time, until something is wrong. Another kind and other words are another
    /// fault, and of several since, the newest is told: a fault that was over before it was asked for is not. A clone
    /// goes on from where the handle was.
    ///
    /// A future that is dropped has missed nothing. It never ends when the runtime is gone.
    ///
    /// ```
    /// use plugin_discovery::{Discovery, FaultKind, Publisher};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let discovery = Discovery::start(|publisher: Publisher| async move {
    ///     publisher.fault(FaultKind::Unreachable, "connection refused");
    ///     std::future::pending().await
    /// });
    /// let mut watched = discovery.clone(); // it keeps the source running as any handle does
    /// let log = tokio::spawn(async move {
    ///     loop {
    ///         match watched.fault_changed().await {
    ///             Some(fault) => println!("{fault}, for {:?}", fault.age()),
    ///             None => println!("all is well again"),
    ///         }
    ///         # break;
    ///     }
    /// });
    /// # log.await.expect("no panic");
    /// # drop(discovery);
    /// # }
    /// ```
    pub async fn fault_changed(&mut self) -> Option<Fault> {
        match self.seen.next_fault().await {
            Some(fault) => fault,
            None => pending().await,
        }
    }

    /// How long ago the source last said all of what the set says. `None`: it has not answered yet. A source that is
    /// told of changes alone says nothing while there are none, so that an old set is not a wrong one: see
    /// [`is_stale`](Self::is_stale).
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let confirmed = self.seen.now().confirmed()?;
        Some(clock::now().saturating_since(confirmed))
    }

    /// Whether there are instances that are kept in spite of a fault: some of them may be old. An empty set that is
    /// believed is not stale, as nothing is kept, and [`fault`](Self::fault) goes on to say that there are none.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let kept = self.seen.now();
        kept.fault().is_some() && !kept.set().is_empty()
    }

    /// Calls the closure with the set that holds, if anything is known yet, before it returns; and then with each other
    /// set, one at a time and the newest last. For what is kept in step with the set: a balancer, a pool, a cache.
    ///
    /// It goes on, and so does the source, for as long as what it gives back is held. The closure is called on a task
    /// of the runtime, so it should not block. When it panics there, it is called with the next set all the same, and
    /// [`Following::has_panicked`] says so until then.
    ///
    /// ```
    /// use std::{collections::BTreeMap, sync::{Arc, Mutex}, time::Duration};
    ///
    /// use plugin_discovery::{Discovery, FoundInstance, StaticSource};
    ///
    /// # #[derive(Debug)]
    /// # struct Client;
    /// # fn connect(_: &FoundInstance) -> Client { Client }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let discovery = Discovery::start(StaticSource::at(["10.0.0.1:80", "10.0.0.2:80"]));
    /// discovery.first(Duration::from_secs(5)).await?;
    ///
    /// let clients = Arc::new(Mutex::new(BTreeMap::new()));
    /// let kept = Arc::clone(&clients);
    /// let following = discovery.for_each(move |set: &[FoundInstance]| {
    ///     let mut clients = kept.lock().expect("no one panics with it");
    ///     clients.retain(|name: &String, _| set.iter().any(|found| found.name() == name));
    ///     for found in set {
    ///         clients.entry(found.name().to_owned()).or_insert_with(|| connect(found));
    ///     }
    /// });
    /// assert_eq!(clients.lock().expect("no one panics with it").len(), 2);
    /// drop(following); // from here on nothing is followed
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and when the closure does in its first call.
    pub fn for_each<F>(&self, apply: F) -> Following
    where
        F: FnMut(&[FoundInstance]) + Send + 'static,
    {
        Following::start(Arc::clone(&self.task), self.seen.anew(), apply)
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.seen.now();
        f.debug_struct("Discovery")
            .field("instances", &kept.set().len())
            .field("fault", &kept.fault())
            .field("running", &!self.task.has_ended())
            .finish_non_exhaustive()
    }
}
