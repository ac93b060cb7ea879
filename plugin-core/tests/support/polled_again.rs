//! What a future says that is polled after it has ended, for the tests of every crate that has futures.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Waker},
};

/// Drives a future to its end, which needs nobody else, and gives back what it says when it is polled once more.
pub(crate) fn polled_again(future: impl Future) -> String {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    assert!((0..9).any(|_| future.as_mut().poll(&mut cx).is_ready()), "it ends");
    once_more(future.as_mut())
}

/// Polls a future that has ended, and gives back what the panic says.
pub(crate) fn once_more(future: Pin<&mut impl Future>) -> String {
    let polled = catch_unwind(AssertUnwindSafe(|| future.poll(&mut Context::from_waker(Waker::noop())).is_ready()));
    let said = polled.expect_err("it panics");
    said.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// What the future of this name has to say.
pub(crate) fn says(future: &str) -> String {
    format!("`{future}` was polled after it had ended")
}
