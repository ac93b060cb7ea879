//! A future that is polled after it has ended panics, and says which it was.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Waker},
};

mod common;

use common::*;
use plugin_lb::Strategy;

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

#[tokio::test(start_paused = true)]
async fn the_future_of_a_balancer_says_so_whatever_it_answered() {
    let instances = [
        vec![Instance::new("well", Does::Answer)],
        vec![Instance::new("ill", Does::Fail)],
        vec![Instance::new("not ready", Does::Answer).failing_readiness()],
        vec![Instance::new("refuses", Does::RefuseConnection), Instance::new("refuses too", Does::RefuseConnection)],
        vec![],
    ];
    for instances in instances {
        let mut balance = balance(Strategy::RoundRobin, &instances);
        assert_eq!(polled_again(call(&mut balance)), says("plugin_lb::ResponseFuture"), "{instances:?}");
    }
}
