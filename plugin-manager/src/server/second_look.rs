//! A moment that costs no timer.

use std::{future::poll_fn, mem, task::Poll};

/// Resolves when it is looked at for the second time, for which it sees itself. What is at hand, and has only to be passed on within
/// the same task, has come by then: what comes behind it in a `select!` is for all that has not.
pub(super) async fn at_second_look() {
    let mut has_been_looked_at = false;
    poll_fn(|cx| {
        if mem::replace(&mut has_been_looked_at, true) {
            return Poll::Ready(());
        }
        // Whoever passes something on within this task has woken it too, and both are one more look.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn it_is_over_at_the_second_look_and_sees_to_it() {
        assert!(at_second_look().now_or_never().is_none(), "not at the first");
        // If nobody woke it this would never be over.
        at_second_look().await;
    }
}
