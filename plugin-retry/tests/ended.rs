//! A future that is polled after it has ended panics, and says which it was.

#[path = "../../plugin-core/tests/support/polled_again.rs"]
mod support;

use std::future::ready;

use plugin_core::{Call, PluginError, Reply};
use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use support::{polled_again, says};
use tower::{Layer, Service, service_fn};

#[test]
fn the_futures_of_retry_and_hedge_say_so() {
    let answers = || {
        service_fn(|call: Call<bool>| {
            let good = call.into_payload();
            ready(if good { Ok(Reply::new(())) } else { Err(PluginError::execution("bad")) })
        })
    };
    for good in [true, false] {
        let retry = || RetryLayer::new(RetryConfig::default());
        for layer in [retry(), RetryLayer::disabled()] {
            let call = layer.layer(answers()).call(Call::new(good));
            assert_eq!(polled_again(call), says("plugin_retry::RetryFuture"));
        }
        let hedge = HedgeLayer::new(
            HedgeConfig::builder().with_delay(std::time::Duration::from_millis(100)).build().expect("in bounds"),
        );
        let mut call = Call::new(good);
        call.context_mut().set_idempotent(true);
        assert_eq!(polled_again(hedge.layer(answers()).call(call)), says("plugin_retry::HedgeFuture"));
    }
}
