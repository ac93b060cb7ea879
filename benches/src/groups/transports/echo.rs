//! The plugin of all rows.

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginError, Reply};
use plugin_transports::inproc::plugin_fn;

/// What every plugin here is.
pub(super) fn echo() -> impl Plugin<Bytes, Bytes> {
    plugin_fn(|call: Call<Bytes>| std::future::ready(Ok::<_, PluginError>(Reply::new(call.into_payload()))))
}
