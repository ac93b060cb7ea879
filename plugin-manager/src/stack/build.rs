//! The layers of a default stack in their order, over the instances of a plugin.

use std::sync::Arc;

use plugin_breaker::CircuitBreakerLayer;
use plugin_core::{
    ConfigError, HealthCell, HealthStatus, Plugin,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_health::{GatePolicy, HealthCheck, HealthGateConfig, HealthGateLayer};
use plugin_lb::{Balance, MembershipError};
use plugin_ratelimit::{
    concurrency::{ConcurrencyLimitLayer, KeyedConcurrencyLimit, KeyedConcurrencyLimitLayer},
    throttle::AdaptiveThrottleLayer,
};
use plugin_retry::RetryLayer;
use tower::{
    Layer, ServiceBuilder,
    util::{Either, option_layer},
};

use super::{Instance, StackSettings, counts, foreign::Foreign, health, rate_limit};
use crate::manager::{Controls, Instances, Registration};

impl StackSettings {
    /// Builds the stack of a plugin over its instances, with its handles. The checks of health start at once, so this
    /// must be called within a tokio runtime, unless there are none.
    ///
    /// # Errors
    ///
    /// When two instances have the same name, a weight is out of bounds, or a rate limit is to wait that cannot.
    pub fn build<S, Req, Res>(
        self,
        name: &str,
        instances: Vec<Instance<S>>,
    ) -> Result<Registration<Req, Res>, ConfigError>
    where
        S: Plugin<Req, Res>,
        Req: Clone + Send + 'static,
        Res: Send + 'static,
    {
        self.build_over(name, instances.into_iter().map(|instance| instance.map(Foreign::new)).collect())
    }

    /// The same over services that know where foreign code begins.
    pub(crate) fn build_over<S, Req, Res>(
        self,
        name: &str,
        instances: Vec<Instance<S>>,
    ) -> Result<Registration<Req, Res>, ConfigError>
    where
        S: Plugin<Req, Res>,
        Req: Clone + Send + 'static,
        Res: Send + 'static,
    {
        let telemetry = self.counts.unwrap_or_else(|| counts(name));
        let (rate_limit, rate_limit_control) = match self.rate_limit {
            Some(settings) => settings.layer(name).map(|(layer, control)| (layer, Some(control)))?,
            None => (rate_limit::none(), None),
        };
        let throttle = self.adaptive_throttle.map(|config| AdaptiveThrottleLayer::new(config).for_calls());
        let (per_key, per_key_control) = self
            .concurrency_per_key
            .map(|(of, config)| {
                let by = Arc::from(of.to_string());
                let layer = KeyedConcurrencyLimitLayer::sharing(&KeyedConcurrencyLimit::new(config), of).for_calls();
                let control = (by, layer.handle());
                (layer, control)
            })
            .unzip();
        let limited = |config| ConcurrencyLimitLayer::new(config).for_calls();
        let concurrency = self.concurrency.map(limited);
        let has_retry = self.retry.is_some();
        let retry = self.retry.map_or_else(RetryLayer::disabled, RetryLayer::new);
        let has_breaker = self.circuit_breaker.is_some();
        // A probe runs as long as the call that it is part of may, so a service that is slow for its open time closes it.
        let circuit_breaker = self.circuit_breaker.map(|config| match self.timeout {
            Some(timeout) => config.or_half_open_timeout(timeout),
            None => config,
        });
        let breaker = circuit_breaker.map_or_else(CircuitBreakerLayer::disabled, CircuitBreakerLayer::new);
        let info = instances.first().map(|instance| instance.connected.info().clone()).unwrap_or_default();

        let deadline = self.timeout.map_or_else(DeadlineLayer::enforce_only, DeadlineLayer::new);
        let attempt = self.attempt_timeout.map_or_else(AttemptTimeoutLayer::disabled, AttemptTimeoutLayer::new);

        let mut known = self.health_check.is_some();
        let mut checks = Vec::new();
        let mut cells = Vec::new();
        let mut closing = Vec::new();
        let mut endpoints = Vec::new();
        let mut instance_concurrency = Vec::new();
        for Instance { endpoint, connected, name, concurrency } in instances {
            // The transport's own, where it writes what no check can know as soon.
            let cell =
                connected.health().map_or_else(|| Arc::new(HealthCell::new(HealthStatus::default())), Arc::clone);
            known |= connected.health().is_some();
            if let Some(config) = self.health_check {
                checks.push(HealthCheck::start_in(Arc::clone(&cell), config, connected.probe()));
            }
            let concurrency = concurrency.map(limited);
            cells.push((Arc::from(endpoint.name()), Arc::clone(&cell)));
            instance_concurrency.extend(concurrency.as_ref().map(|layer| (name, layer.handle())));
            endpoints.push((endpoint.with_health(cell), concurrency));
            closing.push(connected);
        }
        let (group, watcher) = health::group(cells);
        let gate = match self.health_check {
            Some(_) => {
                // Below its threshold a balancer sends calls to those that are down too, and has none to send if the gate refuses them.
                let yields = endpoints.len() > 1 && self.balance.panic_threshold() > 0.0;
                let offline = if yields { GatePolicy::Pass } else { GatePolicy::Refuse };
                HealthGateLayer::sharing(HealthGateConfig::builder().with_offline(offline).build(), &group)
            }
            None => HealthGateLayer::disabled(),
        };
        let mut controls = Controls {
            breaker: has_breaker.then(|| breaker.handle()),
            retry: has_retry.then(|| retry.handle()),
            rate_limit: rate_limit_control,
            concurrency_per_key: per_key_control,
            concurrency: concurrency.as_ref().map(ConcurrencyLimitLayer::handle),
            instance_concurrency,
            adaptive_throttle: throttle.as_ref().map(AdaptiveThrottleLayer::handle),
            health_checks: checks.clone(),
            deadline: Some(deadline.handle()),
            attempt_timeout: Some(attempt.handle()),
            instances: None,
            process: None,
            tls: None,
        };
        let handle = telemetry.handle();
        let outside = ServiceBuilder::new().layer(telemetry).layer(deadline);
        let inside = ServiceBuilder::new().layer(retry).layer(breaker).layer(gate);
        let many = |error: MembershipError| ConfigError::new("instances", error.to_string());
        let has_limits = per_key.is_some()
            || concurrency.is_some()
            || throttle.is_some()
            || !controls.instance_concurrency.is_empty();
        let (registration, instances) = match rate_limit {
            Either::Left(rate_limit) if !has_limits => {
                let endpoints =
                    endpoints.into_iter().map(|(endpoint, _)| endpoint.map(|service| attempt.layer(service)));
                let balance = Balance::new(self.balance, endpoints).map_err(many)?;
                let instances = Instances::of(&balance);
                (Registration::new(outside.layer(rate_limit).layer(inside).service(balance.for_calls())), instances)
            }
            rate_limit => {
                let limits = (rate_limit, option_layer(per_key), option_layer(concurrency), option_layer(throttle));
                let endpoints = endpoints.into_iter().map(|(endpoint, concurrency)| {
                    // Outside of the limit of an attempt: the time in line is not the instance's.
                    let layers = (option_layer(concurrency), attempt.clone());
                    endpoint.map(|service| layers.layer(service))
                });
                let balance = Balance::new(self.balance, endpoints).map_err(many)?;
                let instances = Instances::of(&balance);
                (Registration::new(outside.layer(limits).layer(inside).service(balance.for_calls())), instances)
            }
        };
        controls.instances = Some(instances);
        let mut registration = registration.with_info(info).with_telemetry(handle).with_controls(controls);
        if known {
            registration = registration.with_health(group);
        }
        for instance in closing {
            registration = registration.on_close(move |grace| instance.close(grace));
        }
        Ok(registration.on_close(move |_| {
            watcher.abort();
            let checks = checks.clone();
            async move {
                for check in checks {
                    check.stop().await;
                }
                Ok(())
            }
        }))
    }
}
