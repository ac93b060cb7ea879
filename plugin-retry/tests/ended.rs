//! A future that is polled after it has ended panics, and says which it was.

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Waker},
};

use plugin_core::{Call, PluginError, Reply};
use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};
use tower::{Layer, Service, service_fn};

/// Drives a future to its end, polls it once more, and gives back what the panic says.
fn polled_again<F: Future>(future: F) -> String {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    assert!((0..9).any(|_| future.as_mut().poll(&mut cx).is_ready()), "it ends");
    let again = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready()));
    let said = again.expect_err("it panics");
    said.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn says(future: &str) -> String {
    format!("`{future}` was polled after it had ended")
}

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
            assert_eq!(polled_again(call), says("plugin_retry::ResponseFuture"));
        }
        let hedge =
            HedgeLayer::new(HedgeConfig::after(std::time::Duration::from_millis(100)).build().expect("in bounds"));
        let mut call = Call::new(good);
        call.context_mut().set_idempotent(true);
        assert_eq!(polled_again(hedge.layer(answers()).call(call)), says("plugin_retry::HedgeFuture"));
    }
}
