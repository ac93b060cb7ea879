//! The handle of a mirror: figures, settings, on and off, and the wait for its copies.

use std::{fmt, sync::Arc};

use super::{MirrorConfig, MirrorStats, state::MirrorState};

/// Reads and changes what all services of a [`MirrorLayer`](crate::MirrorLayer) share. Cheap to clone.
///
/// ```
/// use plugin_lb::{MirrorConfig, MirrorLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let echo = service_fn(|n: u32| async move { Ok::<_, BoxError>(n) });
/// let layer = MirrorLayer::new(MirrorConfig::default(), echo);
/// let handle = layer.handle();
/// assert_eq!(layer.layer(echo).oneshot(7).await?, 7);
///
/// handle.idle().await; // before the process ends, with a limit of your own
/// assert_eq!((handle.stats().mirrored, handle.stats().succeeded), (1, 1));
/// handle.reconfigure(handle.config().to_builder().with_percent(5.0).build()?);
/// handle.disable();
/// assert!(!handle.is_enabled());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MirrorHandle(Arc<MirrorState>);

impl MirrorHandle {
    pub(super) fn new(state: Arc<MirrorState>) -> Self {
        Self(state)
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> MirrorStats {
        self.0.stats()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> MirrorConfig {
        self.0.config()
    }

    /// Changes the settings for calls that come from now on. The order of turns begins anew; copies in flight keep the
    /// timeout that they have, and count against the new bound.
    pub fn reconfigure(&self, config: MirrorConfig) {
        self.0.reconfigure(config);
    }

    /// Copies calls that come from now on.
    pub fn enable(&self) {
        self.0.switch(true);
    }

    /// Copies none of the calls that come from now on. Copies in flight go on.
    pub fn disable(&self) {
        self.0.switch(false);
    }

    /// Whether calls are copied.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// Waits until no copy is in flight, which is no longer than the timeout after the last call. [`disable`](Self::disable)
    /// first where calls go on. Dropping it changes nothing.
    pub async fn idle(&self) {
        self.0.idle().await;
    }
}

impl fmt::Debug for MirrorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorHandle").field("enabled", &self.is_enabled()).field("stats", &self.stats()).finish()
    }
}
