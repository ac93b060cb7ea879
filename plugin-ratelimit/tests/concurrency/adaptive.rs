//! What the layer tells an adaptive limit of its calls.

use std::time::Duration;

use plugin_core::{Call, PluginError, Rejected, Reply, deadline::DeadlineLayer};
use plugin_ratelimit::concurrency::{
    AdaptiveAlgorithm, AdaptiveConfig, ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer, PermitOutcome,
};
use tokio_test::task;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{MS, SECOND};

fn aimd() -> ConcurrencyLimit {
    let config =
        ConcurrencyLimitConfig::builder().with_queue(0).with_adaptive(AdaptiveConfig::new(AdaptiveAlgorithm::Aimd));
    ConcurrencyLimit::new(config.build().expect("valid"))
}

/// What the limit is after two windows of calls, twenty at a time, that end so.
async fn after(
    limit: &ConcurrencyLimit,
    answer: impl Fn() -> Result<u32, PluginError> + Copy + Send + 'static,
) -> Option<u32> {
    let layer = ConcurrencyLimitLayer::sharing(limit).for_calls();
    let service = layer.layer(service_fn(move |_: Call<u32>| async move {
        tokio::time::sleep(10 * MS).await;
        answer().map(Reply::new)
    }));
    for _ in 0..20 {
        let calls: Vec<_> = (0..15).map(|n| tokio::spawn(service.clone().oneshot(Call::new(n)))).collect();
        for call in calls {
            let _ = call.await.expect("no panic");
        }
    }
    limit.stats().limit
}

#[tokio::test(start_paused = true)]
async fn answers_let_the_limit_grow_refusals_shrink_it_and_other_errors_leave_it_alone() {
    assert!(after(&aimd(), || Ok(1)).await > Some(20));
    assert!(after(&aimd(), || Err(Rejected::overloaded().into())).await < Some(20));
    assert_eq!(after(&aimd(), || Err(PluginError::execution("the name is missing"))).await, Some(20));
    let open = || Err(Rejected::circuit_open(None).into());
    assert_eq!(after(&aimd(), open).await, Some(20), "a circuit that is open says nothing of how busy the service is");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_has_its_time_and_does_not_answer_shrinks_the_limit_and_a_caller_in_a_hurry_does_not() {
    for (timeout, shrinks) in [(None, true), (Some(10 * MS), false)] {
        let limit = aimd();
        let layer = ConcurrencyLimitLayer::sharing(&limit).for_calls();
        let hung = service_fn(|_: Call<u32>| std::future::pending::<Result<Reply<u32>, PluginError>>());
        let service = DeadlineLayer::new(200 * MS).layer(layer.layer(hung));
        for _ in 0..10 {
            let calls: Vec<_> = (0..10)
                .map(|n| {
                    let call = Call::new(n);
                    let call = match timeout {
                        Some(timeout) => call.with_timeout(timeout),
                        None => call,
                    };
                    tokio::spawn(service.clone().oneshot(call))
                })
                .collect();
            for call in calls {
                assert!(call.await.expect("no panic").is_err());
            }
        }
        assert_eq!(limit.stats().limit < Some(20), shrinks, "{timeout:?}");
        assert_eq!(limit.stats().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_say_nothing() {
    let limit = aimd();
    let layer = ConcurrencyLimitLayer::sharing(&limit).for_calls();
    let hung = layer.layer(service_fn(|_: Call<u32>| std::future::pending::<Result<Reply<u32>, PluginError>>()));
    for _ in 0..300 {
        let mut call = task::spawn(hung.clone().oneshot(Call::new(1)));
        assert!(call.poll().is_pending());
        tokio::time::advance(20 * MS).await;
    }
    assert_eq!(limit.stats().limit, Some(20));
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_stays_unless_the_settings_say_otherwise_of_it() {
    let limit = aimd();
    let learned = after(&limit, || Ok(1)).await;
    assert!(learned > Some(20));
    let config = limit.config().to_builder().with_max_wait(5 * SECOND).build().expect("valid");
    limit.reconfigure(config);
    assert_eq!(limit.stats().limit, learned);
    limit.reconfigure(config.to_builder().with_max(30).build().expect("valid"));
    assert_eq!(limit.stats().limit, Some(20), "it begins anew");
    limit.reconfigure(config.to_builder().with_max(30).with_adaptive(None).build().expect("valid"));
    assert_eq!(limit.stats().limit, Some(30));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_told_once() {
    let limit = aimd();
    let permits: Vec<_> = (0..20).map(|_| limit.try_acquire().expect("free")).collect();
    tokio::time::advance(Duration::from_secs(2)).await;
    for mut permit in permits {
        permit.report(PermitOutcome::Answered);
        permit.report(PermitOutcome::Overloaded);
    }
    assert!(limit.stats().limit > Some(20));
}
