//! Something that is kept in step with a set.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::AbortHandle;

use crate::{FoundInstance, follower::Follower, running::Running};

/// What [`Discovery::for_each`](crate::Discovery::for_each) gives back: the closure is called for as long as this is
/// held, and the source runs.
///
/// ```
/// use plugin_discovery::{Discovery, Following, StaticSource};
///
/// fn follow() -> Following {
///     Discovery::start(StaticSource::at(["10.0.0.1:80"])).for_each(|set| println!("{} instances", set.len()))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let following = follow(); // the source runs as well, although nobody else holds it
/// drop(following);
/// # }
/// ```
#[must_use = "the closure is not called any more once this is dropped"]
pub struct Following {
    task: AbortHandle,
    source: Arc<Running>,
    has_panicked: Arc<AtomicBool>,
}

impl Following {
    /// Calls it with what there is, and then with each other set.
    pub(crate) fn start<F>(source: Arc<Running>, mut seen: Follower, mut apply: F) -> Self
    where
        F: FnMut(&[FoundInstance]) + Send + 'static,
    {
        if let Some(set) = seen.present() {
            apply(&set);
        }
        let has_panicked = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&has_panicked);
        let task = tokio::spawn(async move {
            while let Some(set) = seen.next().await {
                // Each set is a whole one, so that the next makes good what this call left undone.
                let applied = catch_unwind(AssertUnwindSafe(|| apply(&set)));
                // Relaxed: nothing is handed over by it.
                tell.store(applied.is_err(), Ordering::Relaxed);
            }
        });
        Self { task: task.abort_handle(), source, has_panicked }
    }

    /// Whether the last call of the closure panicked: what is kept in step with the set is behind then, until the next
    /// set. The panic itself was told by the panic hook, as any is.
    #[must_use]
    pub fn has_panicked(&self) -> bool {
        self.has_panicked.load(Ordering::Relaxed)
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
        let calls = !self.task.is_finished() && !self.source.has_ended();
        f.debug_struct("Following")
            .field("calls", &calls)
            .field("has_panicked", &self.has_panicked())
            .finish_non_exhaustive()
    }
}
