//! The limits on the retries of all calls together: a budget, or a throttle.

mod ledger;
mod proportional;
mod recent;
mod second;
pub(crate) mod settings;
pub(crate) mod tables;
mod throttle;

pub use proportional::{Budget, BudgetConfig, Withdrawal};
pub use throttle::{Throttle, ThrottleConfig};

/// The atomics behind a [`Budget`], for the models that check every interleaving.
#[cfg(loom)]
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations)]
pub mod model {
    use super::{ledger::Ledger, recent::Recent};

    pub struct SmallLedger(Ledger<2>);

    impl SmallLedger {
        #[allow(clippy::new_without_default)]
        pub fn new() -> Self {
            Self(Ledger::new())
        }

        pub fn spend(&self, second: u32, window: u32, allowed: u64) -> Option<u32> {
            self.0.spend(second, window, |_| allowed)
        }

        pub fn spend_with(&self, second: u32, window: u32, allowed: impl Fn(u32) -> u64) -> Option<u32> {
            self.0.spend(second, window, allowed)
        }

        pub fn give_back(&self, second: u32) {
            self.0.give_back(second);
        }

        pub fn spent(&self, second: u32, window: u32) -> u32 {
            self.0.spent(second, window)
        }
    }

    /// The threads of a model are coroutines on one real thread: each says which lane it counts on.
    pub struct SmallRecent(Recent<1>);

    impl SmallRecent {
        /// With rings for the common lane and these many of threads' own: loom does not see that `OnceLock` publishes one.
        pub fn new(own: usize) -> Self {
            let recent = Recent::new();
            for lane in 0..=own {
                recent.ring(0, lane);
            }
            Self(recent)
        }

        pub fn add_on_common(&self, second: u32) {
            self.0.add_on(0, 0, false, second);
        }

        /// On a lane that one thread has for itself, from 1.
        pub fn add_on_own(&self, lane: usize, second: u32) {
            self.0.add_on(0, lane, true, second);
        }

        pub fn sum(&self, second: u32, window: u32) -> u64 {
            self.0.sum(second, window)
        }
    }
}
