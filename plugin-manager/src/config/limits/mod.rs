//! How much is let through: `rate_limit`, `concurrency`, `concurrency_per_key` and `adaptive_throttle` of plugins, and
//! `server.client_rate_limit`.

mod across;
mod concurrency;
mod plans;
mod rate_limit;
mod shared;
mod throttle;

pub(super) use across::check_across;
pub use concurrency::PluginKeyedConcurrency;
pub(super) use concurrency::{CONCURRENCY, CONCURRENCY_PER_KEY, concurrency, concurrency_per_key};
pub(super) use rate_limit::{CLIENT_RATE_LIMIT, RATE_LIMIT, client_rate_limit, rate_limit};
pub use rate_limit::{LimitPerKey, PluginRateLimit};
pub(super) use throttle::{ADAPTIVE_THROTTLE, adaptive_throttle};

use plugin_settings::Keys;

/// A section that is there and not switched off.
fn on<'r, T>(keys: &mut Keys<'r>, name: &'static str, read: impl FnOnce(&mut Keys<'r>) -> Option<T>) -> Option<T> {
    keys.section(name, |keys| if keys.is_off() { None } else { read(keys) }).flatten()
}
