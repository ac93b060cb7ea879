//! Who is told of each other set.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Fault, FoundInstance, kept::Kept};

/// One that is told of sets, and knows which it was told last.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    kept: watch::Receiver<Kept>,
    /// The version of the set that was told last. 0: none was.
    told: u64,
    /// The fault that was told last.
    told_fault: Option<Fault>,
}

impl Follower {
    pub(crate) fn new(kept: watch::Receiver<Kept>) -> Self {
        Self { kept, told: 0, told_fault: None }
    }

    /// One that was told nothing yet.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.kept.clone())
    }

    /// What holds now.
    pub(crate) fn now(&self) -> watch::Ref<'_, Kept> {
        self.kept.borrow()
    }

    /// The set that holds, if it is another one than was told last.
    pub(crate) fn present(&mut self) -> Option<Arc<[FoundInstance]>> {
        let kept = self.kept.borrow_and_update();
        let other = kept.version() != self.told;
        self.told = kept.version();
        other.then(|| Arc::clone(kept.set()))
    }

    /// Waits for another set than was told last. `None` when the task is gone.
    pub(crate) async fn next(&mut self) -> Option<Arc<[FoundInstance]>> {
        let told = self.told;
        self.wait_for(|kept| kept.version() != told).await
    }

    /// Waits for another fault than was told last, or for its end. The outer `None` when the task is gone.
    pub(crate) async fn next_fault(&mut self) -> Option<Option<Fault>> {
        let told = self.told_fault.clone();
        let kept = self.kept.wait_for(|kept| kept.fault() != told.as_ref()).await.ok()?;
        self.told_fault = kept.fault().cloned();
        Some(self.told_fault.clone())
    }

    /// Waits until this holds, and has then told the set.
    pub(crate) async fn wait_for(&mut self, holds: impl FnMut(&Kept) -> bool) -> Option<Arc<[FoundInstance]>> {
        let kept = self.kept.wait_for(holds).await.ok()?;
        self.told = kept.version();
        Some(Arc::clone(kept.set()))
    }
}
