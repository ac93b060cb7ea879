//! The default stack: the layers of the family in the order that the manager uses, out of settings.

mod build;
mod call_key;
mod caller;
mod foreign;
mod health;
mod instance;
mod plans;
mod rate_limit;
mod settings;
mod transport;

use plugin_telemetry::{ByCall, TelemetryLayer};

pub use call_key::CallKey;
pub use caller::Caller;
pub use instance::Instance;
pub use plans::Plans;
pub use rate_limit::RateLimitSettings;
pub use settings::StackSettings;
pub use transport::{Transport, TransportFuture};

/// Counts the calls of a default stack.
pub(crate) type Counts = TelemetryLayer<ByCall>;

/// Counts the calls of the plugin of this name.
pub(crate) fn counts(name: &str) -> Counts {
    // Every layer of this stack is of the family, and what code of somebody else leaves is forgotten (`foreign`), so the end that
    // one further in has read is the call's.
    TelemetryLayer::new(name).for_calls().take_end_from_within()
}
