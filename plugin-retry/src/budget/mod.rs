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

    pub struct SmallRecent(Recent<1>);

    impl SmallRecent {
        #[allow(clippy::new_without_default)]
        pub fn new() -> Self {
            Self(Recent::new())
        }

        pub fn add(&self, second: u32) {
            self.0.add(second);
        }

        pub fn sum(&self, second: u32, window: u32) -> u64 {
            self.0.sum(second, window)
        }
    }
}
