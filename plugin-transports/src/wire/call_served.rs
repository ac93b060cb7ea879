//! How a plugin is called that is served, whatever serves it.

#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
use std::panic::AssertUnwindSafe;
use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use bytes::Bytes;
use plugin_core::{
    Call, Reject,
    deadline::{self, waiting},
};
use tower_service::Service;

/// Calls a plugin once it is ready, both within the deadline that the host gave the call. When that passes, the plugin
/// is dropped under a cut, so that what limits, counts or sends in it hears why; `late` answers instead.
pub(crate) async fn call<S, E>(
    mut plugin: S,
    call: Call<Bytes>,
    late: impl Reject<S::Response, E>,
) -> Result<S::Response, E>
where
    S: Service<Call<Bytes>>,
    E: From<S::Error>,
{
    let work = |call| async move {
        poll_fn(|cx| plugin.poll_ready(cx)).await?;
        let mut answer = pin!(plugin.call(call));
        let answer = poll_fn(|cx| {
            let polled = answer.as_mut().poll(cx);
            if polled.is_pending() {
                waiting::note("in the plugin");
            }
            polled
        });
        Ok(answer.await?)
    };
    deadline::enforce(call, work, late).await
}

/// Calls a plugin that answers with a `PluginError`, as [`call`] does. A panic of the plugin is its failure.
#[cfg(any(feature = "http", feature = "grpc", feature = "unix"))]
pub(crate) async fn answer<S: plugin_core::Plugin<Bytes, Bytes>>(
    plugin: S,
    request: Call<Bytes>,
) -> Result<plugin_core::Reply<Bytes>, plugin_core::PluginError> {
    use futures_util::FutureExt;

    let finished = AssertUnwindSafe(call(plugin, request, plugin_core::AsErrorValue)).catch_unwind().await;
    finished.unwrap_or_else(|_| Err(plugin_core::PluginError::execution("the plugin panicked")))
}
