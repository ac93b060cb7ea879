//! The handles of a stack's layers, as far as it has them.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use plugin_breaker::CircuitBreakerHandle;
use plugin_core::deadline::{AttemptTimeoutHandle, DeadlineHandle};
use plugin_health::HealthCheck;
use plugin_lb::{Balance, BalanceEvents, InstanceStats, LastFailure, MembershipError, TierStats};
use plugin_ratelimit::{
    concurrency::{ConcurrencyLimitHandle, KeyedConcurrencyLimitHandle},
    throttle::AdaptiveThrottleHandle,
};
use plugin_retry::RetryHandle;
use plugin_transports::{process::ProcessHandle, tls::ClientTls};

use super::RateLimitControl;

/// The handles of a stack's layers. Reports and the admin plane are faces on them.
#[derive(Clone, Default)]
pub struct Controls {
    /// The circuit breaker.
    pub breaker: Option<CircuitBreakerHandle>,
    /// The retry.
    pub retry: Option<RetryHandle>,
    /// The rate limit.
    pub rate_limit: Option<RateLimitControl>,
    /// The limit on calls in flight of each client, address or header, and by which of these calls are told apart, as a configuration
    /// has it.
    pub concurrency_per_key: Option<(Arc<str>, KeyedConcurrencyLimitHandle<Arc<str>>)>,
    /// The limit on calls in flight.
    pub concurrency: Option<ConcurrencyLimitHandle>,
    /// The limits on calls in flight of single instances, by their names.
    pub instance_concurrency: Vec<(Arc<str>, ConcurrencyLimitHandle)>,
    /// What refuses calls of a plugin that turns many away.
    pub adaptive_throttle: Option<AdaptiveThrottleHandle>,
    /// The limit of a call, all attempts included.
    pub deadline: Option<DeadlineHandle>,
    /// The regular check of each instance.
    pub health_checks: Vec<HealthCheck>,
    /// The limit of an attempt. Over HTTP and to a subprocess it is the only one when they were built
    /// `without_request_timeout`, as a configuration builds them; otherwise the smaller one of theirs and this holds.
    pub attempt_timeout: Option<AttemptTimeoutHandle>,
    /// The balancer's instances.
    pub instances: Option<Instances>,
    /// The supervised process of the plugin. The one place that knows how it is.
    pub process: Option<ProcessHandle>,
    /// The side of TLS of its clients, where it is reached over that: until when the certificate is good that is shown to it, and
    /// what came of a renewal. All of its instances share it.
    pub tls: Option<ClientTls>,
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls")
            .field("breaker", &self.breaker.is_some())
            .field("retry", &self.retry.is_some())
            .field("rate_limit", &self.rate_limit.is_some())
            .field("concurrency_per_key", &self.concurrency_per_key.is_some())
            .field("concurrency", &self.concurrency.is_some())
            .field("instance_concurrency", &self.instance_concurrency.len())
            .field("adaptive_throttle", &self.adaptive_throttle.is_some())
            .field("deadline", &self.deadline)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("health_checks", &self.health_checks.len())
            .field("process", &self.process)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// The instances of a balancer, whatever they are.
#[derive(Clone)]
pub struct Instances(Arc<dyn Membership>);

/// A balancer's handle without the type of its services.
trait Membership: Send + Sync {
    fn ejects(&self) -> bool;
    fn may_panic(&self) -> bool;
    fn events(&self) -> BalanceEvents;
    fn tiers(&self) -> Vec<TierStats>;
    fn stats(&self) -> Vec<InstanceStats>;
    fn enable_instance(&self, name: &str) -> Result<(), MembershipError>;
    fn disable_instance(&self, name: &str) -> Result<(), MembershipError>;
}

impl<S: Clone + Send + Sync + 'static> Membership for plugin_lb::BalanceHandle<S> {
    fn ejects(&self) -> bool {
        self.config().outlier().is_some()
    }

    fn may_panic(&self) -> bool {
        self.config().panic_threshold() > 0.0
    }

    fn events(&self) -> BalanceEvents {
        Self::events(self)
    }

    fn tiers(&self) -> Vec<TierStats> {
        Self::tiers(self)
    }

    fn stats(&self) -> Vec<InstanceStats> {
        Self::stats(self)
    }

    fn enable_instance(&self, name: &str) -> Result<(), MembershipError> {
        Self::enable_instance(self, name)
    }

    fn disable_instance(&self, name: &str) -> Result<(), MembershipError> {
        Self::disable_instance(self, name)
    }
}

impl Instances {
    /// The instances of this balancer.
    pub fn of<S, C, R, O, E>(balance: &Balance<S, C, R, O, E>) -> Self
    where
        S: Clone + Send + Sync + 'static,
    {
        Self(Arc::new(balance.handle()))
    }

    /// The same for whoever is not to keep them alive.
    pub(crate) fn downgrade(&self) -> WeakInstances {
        WeakInstances(Arc::downgrade(&self.0))
    }

    /// What is known of each.
    #[must_use]
    pub fn stats(&self) -> Vec<InstanceStats> {
        self.0.stats()
    }

    /// Whether health is ever ignored while some of them are up.
    #[must_use]
    pub fn may_panic(&self) -> bool {
        self.0.may_panic()
    }

    /// How calls are shared among tiers of them: zones, priorities, the subset.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierStats> {
        self.0.tiers()
    }

    /// Who is ejected and who is back, from now on.
    #[must_use]
    pub fn events(&self) -> BalanceEvents {
        self.0.events()
    }

    /// Whether one that fails is ejected for a time.
    #[must_use]
    pub fn ejects(&self) -> bool {
        self.0.ejects()
    }

    /// The last call that failed on one of them, and on which, whether others have succeeded since or not.
    #[must_use]
    pub fn last_failure(&self) -> Option<(Arc<str>, LastFailure)> {
        let failed = self.stats().into_iter().filter_map(|instance| Some((instance.name, instance.last_failure?)));
        failed.max_by_key(|(_, failure)| failure.at)
    }

    /// Puts an instance back into the balance.
    ///
    /// # Errors
    ///
    /// When no instance has this name.
    pub fn enable_instance(&self, name: &str) -> Result<(), MembershipError> {
        self.0.enable_instance(name)
    }

    /// Takes an instance out of the balance; calls that run on it are not touched.
    ///
    /// # Errors
    ///
    /// When no instance has this name.
    pub fn disable_instance(&self, name: &str) -> Result<(), MembershipError> {
        self.0.disable_instance(name)
    }
}

/// The instances of a balancer for as long as somebody has the stack's [`Controls`].
pub(crate) struct WeakInstances(Weak<dyn Membership>);

impl WeakInstances {
    pub(crate) fn upgrade(&self) -> Option<Instances> {
        self.0.upgrade().map(Instances)
    }
}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instances").field(&self.stats()).finish()
    }
}
