//! Something that is kept in step with a set.

use std::fmt;

use tokio::task::AbortHandle;

use crate::Discovery;

/// What [`Discovery::for_each`] gives back: the closure is called for as long as this is held, and the source runs.
///
/// ```
/// use plugin_discovery::{Discovery, Following, StaticSource};
///
/// fn follow() -> Following {
///     Discovery::start(StaticSource::at(["10.0.0.1:80"])).for_each(|set| println!("{} instances", set.len()))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let following = follow();
/// assert!(following.discovery().fault().is_none());
/// # }
/// ```
#[must_use = "the closure is not called any more once this is dropped"]
pub struct Following {
    discovery: Discovery,
    task: AbortHandle,
}

impl Following {
    pub(crate) fn new(discovery: Discovery, task: AbortHandle) -> Self {
        Self { discovery, task }
    }

    /// What is followed.
    #[must_use]
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }
}

/// A call of the closure that runs on another thread at this moment is the last one.
impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("discovery", &self.discovery).finish_non_exhaustive()
    }
}
