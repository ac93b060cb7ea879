//! Repeating a [`Call`].

use plugin_core::{Call, InstanceId, clock::Instant};

use super::{Attempt, ByRequest, Kept, Limits, Replay};

/// A call is cloned, whether it is idempotent or not: when nothing was sent, either may be repeated. With a payload
/// whose clone is cheap (`Bytes`, an `Arc`) nothing is allocated.
impl<T: Clone> Replay<Call<T>> for ByRequest {
    type Kept = KeptCall<T>;

    #[inline]
    fn started(&self, call: &Call<T>) -> Instant {
        call.context().received()
    }

    #[inline]
    fn keep(&self, call: Call<T>, _: Limits) -> (Call<T>, Option<KeptCall<T>>) {
        if call.context().max_retries() == Some(0) {
            return (call, None);
        }
        let kept = KeptCall(call.clone());
        (call, Some(kept))
    }
}

/// A [`Call`] that is kept for another attempt.
#[derive(Clone, Debug)]
pub struct KeptCall<T>(Call<T>);

impl<T: Clone> Kept<Call<T>> for KeptCall<T> {
    fn idempotent(&self) -> Option<bool> {
        self.0.context().idempotent()
    }

    fn max_retries(&self) -> Option<u16> {
        self.0.context().max_retries()
    }

    fn deadline(&self, _: Instant) -> Option<Instant> {
        self.0.context().deadline()
    }

    fn note_failure(&mut self, instance: InstanceId) {
        self.0.context_mut().add_tried(instance);
    }

    fn again(&mut self, attempt: Attempt) -> Option<Call<T>> {
        let mut call = self.0.clone();
        call.context_mut().set_attempt(attempt.number);
        Some(call)
    }
}
