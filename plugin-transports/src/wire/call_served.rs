//! How a plugin is called that is served, whatever serves it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use bytes::Bytes;
use plugin_core::{
    Call, Reject,
    deadline::{self, waiting},
};
#[cfg(any(feature = "http", feature = "grpc"))]
use {
    futures_util::FutureExt,
    plugin_core::{AsErrorValue, Plugin, PluginError, Reply},
    std::panic::AssertUnwindSafe,
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

/// The same for a server that answers every error alike: a panic of the plugin is caught, and is its failure.
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) async fn answer<S>(plugin: S, call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError>
where
    S: Plugin<Bytes, Bytes>,
{
    let finished = AssertUnwindSafe(self::call(plugin, call, AsErrorValue)).catch_unwind().await;
    finished.unwrap_or_else(|_| Err(PluginError::execution("the plugin panicked")))
}
