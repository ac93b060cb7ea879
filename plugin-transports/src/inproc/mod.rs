//! Plugins in the same process: any service, or an async closure.
//!
//! ```
//! use plugin_core::{Call, PluginError, PluginInfo, Reply};
//! use plugin_transports::inproc;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), PluginError> {
//! let upper = inproc::plugin_fn(|call: Call<String>| async move {
//!     Ok::<_, PluginError>(Reply::new(call.into_payload().to_uppercase()))
//! });
//! let instance = inproc::instance(upper, PluginInfo::new("upper", "1.0.0"));
//! let reply = instance.service().clone().oneshot(Call::new("hello".to_owned())).await?;
//! assert_eq!(reply.into_payload(), "HELLO");
//! # Ok(()) }
//! ```

use std::{
    fmt,
    future::Future,
    task::{Context, Poll},
};

use plugin_core::{Call, PluginError, PluginInfo, PluginInstance, Reply};
use tower_service::Service;

/// The name of this transport in [`PluginInfo`] and in configuration.
pub const TRANSPORT: &str = "inproc";

/// A plugin out of an async closure.
///
/// It is always ready, and its future is the closure's own: a call allocates nothing. Dropping the future drops the
/// closure's. A panic in the closure goes through to the caller, and the layers round it count it as a failure.
#[must_use]
pub fn plugin_fn<F, Req, Res, Fut>(f: F) -> PluginFn<F>
where
    F: Fn(Call<Req>) -> Fut,
    Fut: Future<Output = Result<Reply<Res>, PluginError>>,
{
    PluginFn(f)
}

/// A plugin instance out of a service. It has nothing to close, and is healthy unless
/// [`with_probe`](PluginInstance::with_probe) says how to find out.
#[must_use]
pub fn instance<S>(service: S, info: PluginInfo) -> PluginInstance<S> {
    PluginInstance::new(service, info.with_transport(TRANSPORT))
}

/// What [`plugin_fn`] makes.
///
/// ```
/// use plugin_transports::{
///     inproc::plugin_fn,
///     plugin_core::{Call, PluginError, Reply},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// assert_eq!(double.oneshot(Call::new(21)).await?.into_payload(), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct PluginFn<F>(F);

impl<F, Req, Res, Fut> Service<Call<Req>> for PluginFn<F>
where
    F: Fn(Call<Req>) -> Fut,
    Fut: Future<Output = Result<Reply<Res>, PluginError>>,
{
    type Response = Reply<Res>;
    type Error = PluginError;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Req>) -> Fut {
        (self.0)(call)
    }
}

impl<F> fmt::Debug for PluginFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginFn").field(&std::any::type_name::<F>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use plugin_core::{BoxPlugin, HealthState, Plugin};
    use tower::ServiceExt;

    use super::*;

    fn is_plugin<Req, Res>(plugin: impl Plugin<Req, Res>) -> impl Plugin<Req, Res> {
        plugin
    }

    #[tokio::test]
    async fn a_closure_is_a_plugin_that_can_be_registered_and_erased() {
        let echo = is_plugin(plugin_fn(|call: Call<Bytes>| async move { Ok(Reply::new(call.into_payload())) }));
        let instance = instance(BoxPlugin::new(echo), PluginInfo::new("echo", "1.2.3"));
        assert_eq!(instance.info().transport, "inproc");
        assert_eq!(instance.check().await.state, HealthState::Healthy);
        let reply = instance.service().clone().oneshot(Call::new(Bytes::from_static(b"x"))).await;
        assert_eq!(reply.expect("an echo").into_payload(), "x");
        instance.close(std::time::Duration::ZERO).await.expect("nothing to close");
    }

    #[test]
    fn the_future_is_the_closures_own() {
        let ready = plugin_fn(|call: Call<u8>| std::future::ready(Ok(Reply::new(call.into_payload()))));
        let future = { ready }.call(Call::new(1));
        assert_eq!(size_of_val(&future), size_of::<std::future::Ready<Result<Reply<u8>, PluginError>>>());
    }
}
