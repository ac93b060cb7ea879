//! What a request tells the balancer.

use plugin_core::{CallContext, InstanceId, clock::Instant};

/// What a request tells the balancer. Empty hints are the rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'r> {
    affinity: Option<u64>,
    priority: i16,
    preferred: &'r [Box<str>],
    tried: &'r [InstanceId],
    started: Option<Instant>,
}

impl<'r> Hints<'r> {
    /// No hints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of the key that keeps calls together on one instance. Read by `consistent-hash` and
    /// `maglev`.
    #[must_use]
    pub fn with_affinity(mut self, hash: u64) -> Self {
        self.affinity = Some(hash);
        self
    }

    /// The priority of the request. Read by `priority`: a request below 0 takes the instances of the lowest priority,
    /// so that the others stay free.
    #[must_use]
    pub fn with_priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Names of instances that the caller would like, best first. Every strategy follows them as long as the instance
    /// is enabled, not Unhealthy or Offline, and was not tried.
    #[must_use]
    pub fn with_preferred(mut self, names: &'r [Box<str>]) -> Self {
        self.preferred = names;
        self
    }

    /// Instances on which earlier attempts failed. Every strategy avoids them while there is another.
    #[must_use]
    pub fn with_tried(mut self, instances: &'r [InstanceId]) -> Self {
        self.tried = instances;
        self
    }

    /// When the request came, if that was just now. Spares the balancer a look at the clock.
    #[must_use]
    pub fn with_started(mut self, now: Instant) -> Self {
        self.started = Some(now);
        self
    }

    /// The affinity hash.
    #[must_use]
    pub fn affinity(&self) -> Option<u64> {
        self.affinity
    }

    /// The priority.
    #[must_use]
    pub fn priority(&self) -> i16 {
        self.priority
    }

    /// The preferred names.
    #[must_use]
    pub fn preferred(&self) -> &'r [Box<str>] {
        self.preferred
    }

    /// The instances tried.
    #[must_use]
    pub fn tried(&self) -> &'r [InstanceId] {
        self.tried
    }

    /// When the request came.
    #[must_use]
    pub fn started(&self) -> Option<Instant> {
        self.started
    }
}

impl<'r> From<&'r CallContext> for Hints<'r> {
    fn from(context: &'r CallContext) -> Self {
        Self {
            affinity: context.affinity(),
            priority: context.priority(),
            preferred: context.preferred(),
            tried: context.tried(),
            // A second attempt comes later than the call did.
            started: (context.attempt() == 0).then(|| context.received()),
        }
    }
}
