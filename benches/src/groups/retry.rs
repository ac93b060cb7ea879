//! A retry layer whose calls never fail.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use plugin_core::{Call, PluginError};
use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};
use tower::{Layer, Service};

use super::{
    GroupEntry,
    payload::{bare_rows, fixed, layer_rows, repeatable},
};
use crate::harness::{Group, call_now, echo, poll_ready_now};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "retry",
    about: "A call with a body of `Bytes` that succeeds at once, under a layer that would retry it three times. Every row keeps \
            a copy of the call for that.",
    peers: &["tower", "tower-resilience-retry", "backon"],
    rows,
};

type Body = Call<Bytes>;

fn request() -> Body {
    repeatable(fixed())
}

/// Three retries of any error, with or without tower's budget.
#[derive(Clone)]
struct ThreeTimes {
    left: u8,
    budget: Option<Arc<TpsBudget>>,
}

impl<Res> Policy<Body, Res, PluginError> for ThreeTimes {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Body, result: &mut Result<Res, PluginError>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.budget.iter().for_each(|budget| budget.deposit());
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.budget.as_ref().is_none_or(|budget| budget.withdraw()).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Body) -> Option<Body> {
        Some(request.clone())
    }
}

fn without_budget() -> RetryConfig {
    RetryConfig::builder().without_budget().build().expect("within the bounds")
}

fn rows(group: &mut Group) {
    let bare = echo::<PluginError>();
    group.service("bare service", bare, request);

    let plain = tower::retry::RetryLayer::new(ThreeTimes { left: 3, budget: None });
    group.service("tower", plain.layer(bare), request);
    let budget = Some(Arc::new(TpsBudget::default()));
    let budgeted = tower::retry::RetryLayer::new(ThreeTimes { left: 3, budget });
    group.service("tower with a budget", budgeted.layer(bare), request);
    let resilience = tower_resilience_retry::RetryLayer::<Body, Body, PluginError>::builder().max_attempts(4).build();
    group.service("tower-resilience", resilience.layer(bare), request);
    group.case("backon", || {
        let waits = ExponentialBuilder::default().with_max_times(3);
        move || {
            let kept = request();
            let attempt = || {
                let mut service = echo::<PluginError>();
                let call = kept.clone();
                async move { service.call(call).await }
            };
            let retrying = attempt.retry(waits).sleep(tokio::time::sleep);
            poll_ready_now(retrying).expect("an echo")
        }
    });

    group
        .service("RetryLayer without a budget", RetryLayer::new(without_budget()).layer(bare), request)
        .against("tower");
    group.service("RetryLayer", RetryLayer::default().layer(bare), request).against("tower with a budget");
    group.service("RetryLayer, disabled", RetryLayer::disabled().layer(bare), request).against("tower");
    let hedging = HedgeConfig::builder().with_delay(Duration::from_secs(1)).build().expect("within the bounds");
    group.service("HedgeLayer", HedgeLayer::new(hedging).layer(bare), request);
    group.case("HedgeLayer, percentile", || {
        let hedging = HedgeConfig::builder().with_percentile(95.0).build().expect("within the bounds");
        let mut service = HedgeLayer::new(hedging).layer(echo::<PluginError>());
        move || call_now(&mut service, request()).expect("an echo")
    });
    bare_rows(group);
    layer_rows(group, "RetryLayer", &RetryLayer::default());
    group.note(
        "Most of what a `RetryLayer` adds is the lease of its state (an `Arc` clone and drop, see the floors) and the copy of \
         the call that another attempt would need; the budget adds one `compare_exchange`.",
    );
    group.aim_on_top("RetryLayer without a budget", "bare service", 15.0);
    group.aim_on_top("RetryLayer", "bare service", 21.0);
}
