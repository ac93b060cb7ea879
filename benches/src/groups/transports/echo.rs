//! The plugins of all rows.

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginError, Reply};
use plugin_transports::inproc::plugin_fn;

use super::gate::Gate;

/// What the plugins of timed rows are.
pub(in crate::groups) fn echo() -> impl Plugin<Bytes, Bytes> {
    plugin_fn(|call: Call<Bytes>| std::future::ready(Ok::<_, PluginError>(Reply::new(call.into_payload()))))
}

/// The same, which holds its calls at a gate.
pub(super) fn held(gate: &Gate) -> impl Plugin<Bytes, Bytes> {
    let gate = gate.clone();
    plugin_fn(move |call: Call<Bytes>| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    })
}
