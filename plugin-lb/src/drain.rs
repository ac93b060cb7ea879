//! Draining one instance.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{BalanceHandle, MembershipError, RemovedInstance};

/// How often it is looked whether calls are still in flight. A call that ends tells nobody, so that it costs no call anything.
const LOOK: Duration = Duration::from_millis(10);

impl<S> BalanceHandle<S> {
    /// Removes an instance, and waits until its last call has ended: no pick sees it from now on, and what it held may then be closed.
    ///
    /// It is removed with the call of this function. Dropping the future only ends the wait; a limit on it is the caller's, with
    /// `tokio::time::timeout`. How many are left says [`RemovedInstance::active`] of [`remove`](Self::remove).
    ///
    /// ```
    /// use plugin_lb::{Balance, BalanceConfig, Endpoint};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), plugin_lb::MembershipError> {
    /// let handle = Balance::new(BalanceConfig::default(), [Endpoint::new("a", ()), Endpoint::new("b", ())])?.handle();
    /// let drained = handle.drain("a")?.await;
    /// assert_eq!((drained.active(), handle.len()), (0, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    ///
    /// # Panics
    ///
    /// The future, outside of a tokio runtime with a timer, where calls are in flight.
    pub fn drain(&self, name: &str) -> Result<impl Future<Output = RemovedInstance<S>> + use<S>, MembershipError> {
        let (removed, before) = self.remove_from(name)?;
        Ok(async move {
            // As long as another one holds what was before, a call may be picked from it and begin: after that no call does,
            // so this is looked at first.
            while Arc::strong_count(&before) > 1 || removed.active() > 0 {
                tokio::time::sleep(LOOK).await;
            }
            removed
        })
    }
}
