//! The handle of a split: weights, branches, figures.

use std::{fmt, sync::Arc};

use super::{
    BranchError,
    BranchErrorKind::{Duplicate, Unknown},
    BranchStats, TrafficSplitConfig,
    branch::Entry,
    state::{SplitState, position},
};

/// Changes the weights and the branches of a [`TrafficSplit`](crate::TrafficSplit), and reads its figures, while calls go on.
/// Cheap to clone.
///
/// Each change is one swap: a call sees all of it or nothing. Calls in flight go on to their end where they are.
///
/// ```
/// use plugin_lb::{TrafficSplit, TrafficSplitConfig};
/// use tower::{BoxError, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let version = |name: &'static str| service_fn(move |(): ()| async move { Ok::<_, BoxError>(name) });
/// let config = TrafficSplitConfig::builder().with_weight("stable", 100).build()?;
/// let split = TrafficSplit::new(config, [("stable", version("stable")), ("canary", version("canary"))])?;
/// let handle = split.handle();
/// assert_eq!(split.clone().oneshot(()).await?, "stable");
///
/// // All at once, say after a look at the figures of both.
/// handle.reconfigure(TrafficSplitConfig::builder().with_weight("canary", 100).build()?)?;
/// assert_eq!(split.oneshot(()).await?, "canary");
/// assert_eq!(handle.get("canary").map(|stats| stats.ok), Some(1));
/// # Ok(())
/// # }
/// ```
pub struct TrafficSplitHandle<S>(Arc<SplitState<S>>);

impl<S> TrafficSplitHandle<S> {
    pub(super) fn new(state: Arc<SplitState<S>>) -> Self {
        Self(state)
    }

    /// The weights.
    #[must_use]
    pub fn config(&self) -> TrafficSplitConfig {
        self.0.load().config.clone()
    }

    /// Changes all weights in one swap. A branch that is not named has none. The figures stay, and the order of turns begins
    /// anew, unless the weights are what they were.
    ///
    /// # Errors
    ///
    /// When there is no branch of a name, in which case nothing is changed.
    pub fn reconfigure(&self, config: TrafficSplitConfig) -> Result<(), BranchError> {
        if self.0.load().config == config {
            return Ok(());
        }
        self.0.change(|present, _| {
            *present = config;
            Ok(())
        })
    }

    /// Adds a branch. It has no weight before [`reconfigure`](Self::reconfigure) gives it one.
    ///
    /// # Errors
    ///
    /// When there is one of this name.
    pub fn add(&self, name: impl Into<Arc<str>>, service: S) -> Result<(), BranchError>
    where
        S: Clone,
    {
        self.extend([(name, service)])
    }

    pub(super) fn extend<N: Into<Arc<str>>>(
        &self,
        branches: impl IntoIterator<Item = (N, S)>,
    ) -> Result<(), BranchError>
    where
        S: Clone,
    {
        self.0.change(|_, entries| {
            for (name, service) in branches {
                let name = name.into();
                if position(entries, &name).is_some() {
                    return Err(BranchError::new(Duplicate, name));
                }
                entries.push(Entry::new(name, service));
            }
            Ok(())
        })
    }

    /// Removes a branch, and its weight. Its share goes to the others by their weights; calls that are in flight on it go on to
    /// their end.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn remove(&self, name: &str) -> Result<(), BranchError> {
        self.0.change(|config, entries| {
            let position = position(entries, name).ok_or_else(|| BranchError::new(Unknown, name))?;
            entries.remove(position);
            *config = config.without(name);
            Ok(())
        })
    }

    /// The figures of every branch, in the order in which they joined.
    #[must_use]
    pub fn stats(&self) -> Vec<BranchStats> {
        self.0.load().entries.iter().map(Entry::stats).collect()
    }

    /// The figures of one branch.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<BranchStats> {
        self.0.load().entries.iter().find(|entry| &*entry.branch.name == name).map(Entry::stats)
    }
}

impl<S> Clone for TrafficSplitHandle<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for TrafficSplitHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrafficSplitHandle").field(&self.stats()).finish()
    }
}
