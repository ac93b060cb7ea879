//! Something that is kept in step with a set.

use std::{fmt, sync::Arc};

use tokio::task::AbortHandle;

use crate::running::Running;

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
}

impl Following {
    pub(crate) fn new(source: Arc<Running>, task: AbortHandle) -> Self {
        Self { task, source }
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
        f.debug_struct("Following").field("calls", &calls).finish_non_exhaustive()
    }
}
