//! Repeating a [`Call`].

use plugin_core::{Call, InstanceId, clock::Instant};

use super::{Attempt, ByRequest, Kept, Limits, Replay};
use crate::GaveUp;

/// A call is cloned, whether it is idempotent or not: when nothing was sent, either may be repeated. With a payload
/// whose clone is cheap (`Bytes`, an `Arc`) nothing is allocated.
impl<T: Clone> Replay<Call<T>> for ByRequest {
    type Kept = Call<T>;

    #[inline]
    fn started(&self, call: &Call<T>) -> Instant {
        call.context().received()
    }

    #[inline]
    fn keep(&self, call: &mut Call<T>, _: Limits) -> Result<Call<T>, GaveUp> {
        if call.context().max_retries() == Some(0) {
            return Err(GaveUp::Attempts);
        }
        Ok(call.clone())
    }
}

impl<T: Clone> Kept<Call<T>> for Call<T> {
    fn idempotent(&self) -> Option<bool> {
        self.context().idempotent()
    }

    fn max_retries(&self) -> Option<u16> {
        self.context().max_retries()
    }

    fn deadline(&self, _: Instant) -> Option<Instant> {
        self.context().deadline()
    }

    fn note_failure(&mut self, instance: InstanceId) {
        self.context_mut().add_tried(instance);
    }

    fn again(&mut self, attempt: Attempt) -> Option<Call<T>> {
        let mut call = self.clone();
        call.context_mut().set_attempt(attempt.number);
        Some(call)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Unsent;

    #[tokio::test(start_paused = true)]
    async fn a_call_began_when_it_was_received_and_one_that_allows_no_retry_is_not_kept() {
        let limits = Limits { idempotent: true, unsent: Unsent::All, max_body: 0 };
        let mut call = Call::new(7);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ByRequest.started(&call), call.context().received());
        assert!(ByRequest.keep(&mut call, limits).is_ok());
        call.context_mut().limit_retries(0);
        assert_eq!(ByRequest.keep(&mut call, limits).map(drop), Err(GaveUp::Attempts));
    }
}
