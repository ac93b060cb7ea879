//! A future that is polled after it has ended panics, and says which it was.

#[path = "support/polled_again.rs"]
mod support;

use std::{future::ready, time::Duration};

use plugin_core::{
    AsErrorValue, Call, PluginError, RejectFuture, Rejected, Reply,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
    sync::Slots,
};
use plugin_fallback::{FallbackLayer, coalesce::CoalesceLayer};
use plugin_telemetry::TelemetryLayer;
use support::{polled_again, says};
use tower::{Layer, Service, service_fn};

type Answer = Result<Reply<u32>, PluginError>;

const SECOND: Duration = Duration::from_secs(1);

/// Answers an odd number, and fails an even one.
fn answers(call: Call<u32>) -> std::future::Ready<Answer> {
    let number = call.into_payload();
    ready(if number % 2 == 1 { Ok(Reply::new(number)) } else { Err(PluginError::execution("even")) })
}

#[test]
fn a_future_of_every_layer_says_which_it_was() {
    let one = || Call::new(1);
    let late = || Call::new(1).with_timeout(Duration::ZERO);
    let inner = || service_fn(answers);
    let share = || CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload()).filter(|number| *number < 3));
    let passed = |answer| RejectFuture::admit(Ok(()), || answer, &AsErrorValue);
    let refused = || RejectFuture::admit(Err(Rejected::overloaded()), || answers(one()), &AsErrorValue);
    let fallback = || FallbackLayer::value(Reply::new(7));
    for (said, future) in [
        (polled_again(DeadlineLayer::new(SECOND).layer(inner()).call(one())), "plugin_core::deadline::DeadlineFuture"),
        (
            polled_again(DeadlineLayer::enforce_only().layer(inner()).call(one())),
            "plugin_core::deadline::DeadlineFuture",
        ),
        (polled_again(DeadlineLayer::new(SECOND).layer(inner()).call(late())), "plugin_core::deadline::DeadlineFuture"),
        (
            polled_again(AttemptTimeoutLayer::new(SECOND).layer(inner()).call(one())),
            "plugin_core::deadline::AttemptTimeoutFuture",
        ),
        (
            polled_again(AttemptTimeoutLayer::disabled().layer(inner()).call(one())),
            "plugin_core::deadline::AttemptTimeoutFuture",
        ),
        (polled_again(share().layer(inner()).call(one())), "plugin_fallback::coalesce::CoalesceFuture"),
        (polled_again(share().layer(inner()).call(Call::new(3))), "plugin_fallback::coalesce::CoalesceFuture"),
        (polled_again(fallback().layer(inner()).call(one())), "plugin_fallback::FallbackFuture"),
        (polled_again(fallback().layer(inner()).call(Call::new(2))), "plugin_fallback::FallbackFuture"),
        (polled_again(TelemetryLayer::new("dice").layer(inner()).call(one())), "plugin_telemetry::ResponseFuture"),
        (polled_again(passed(answers(one()))), "plugin_core::RejectFuture"),
        (polled_again(refused()), "plugin_core::RejectFuture"),
        (polled_again(Slots::call(&Slots::new(inner()), one())), "plugin_core::sync::SlotCall"),
    ] {
        assert_eq!(said, says(future));
    }
}

#[test]
fn so_does_a_call_whose_service_was_not_ready() {
    let (mock, mut handle) = tower_test::mock::pair::<u32, u32>();
    handle.send_error("closed");
    assert_eq!(polled_again(Slots::call(&Slots::new(mock), 1)), says("plugin_core::sync::SlotCall"));
}

#[test]
fn so_does_a_kept_answer_and_the_call_before_it() {
    use plugin_fallback::cache::{CacheConfig, CacheLayer};

    let config = CacheConfig::builder().with_ttl(SECOND).build().expect("valid");
    let mut stack =
        CacheLayer::new(config, |call: &Call<u32>| Some(*call.payload())).every_call().layer(service_fn(answers));
    for number in [1, 1, 2] {
        assert_eq!(polled_again(stack.call(Call::new(number))), says("plugin_fallback::cache::CacheFuture"));
    }
}
