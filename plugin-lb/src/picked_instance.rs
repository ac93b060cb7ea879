//! An instance that was picked through the handle, without a call through the balancer.

use std::fmt;

use plugin_core::InstanceId;

use crate::{in_flight::InFlight, meter::Settled};

/// An instance that was picked without a call through the balancer. It counts as in flight until this is gone.
///
/// Say how it went with [`succeeded`](Self::succeeded) or [`failed`](Self::failed); dropped, it counts as neither.
#[must_use = "the instance counts as in flight until this is dropped"]
pub struct PickedInstance<S>(pub(crate) InFlight<S>);

impl<S: Clone> PickedInstance<S> {
    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.0.member().id
    }

    /// The instance's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.member().name
    }

    /// The instance's service. Clone it to call it, and poll the clone until it is ready first.
    #[must_use]
    pub fn service(&self) -> &S {
        self.0.member().slots.get_ref()
    }

    /// The call on the instance succeeded.
    pub fn succeeded(mut self) {
        self.0.settle(Settled::Succeeded);
    }

    /// The call on the instance failed.
    pub fn failed(mut self) {
        self.0.settle(Settled::Failed);
    }
}

impl<S> fmt::Debug for PickedInstance<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PickedInstance").field(&self.0.member().name).finish()
    }
}
