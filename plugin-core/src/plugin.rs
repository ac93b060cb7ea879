//! What a plugin is, and the one place where a stack is erased.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower::util::BoxCloneSyncService;
use tower_service::Service;

use crate::{Call, PluginError, Reply};

/// A plugin: a service that answers a [`Call<Req>`] with a [`Reply<Res>`] or a [`PluginError`].
///
/// Every service of that shape is one; there is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plugin that answers a `Call<{Req}>` with a `Reply<{Res}>`",
    note = "a plugin is any `Service<Call<{Req}>, Response = Reply<{Res}>, Error = PluginError> + Clone + Send + Sync + 'static` whose future is `Send + 'static`"
)]
pub trait Plugin<Req, Res>:
    Service<Call<Req>, Response = Reply<Res>, Error = PluginError, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<T, Req, Res> Plugin<Req, Res> for T where
    T: Service<Call<Req>, Response = Reply<Res>, Error = PluginError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A boxed future that may cross threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A plugin whose type is erased. Each call costs one allocation, and each clone another.
///
/// ```
/// use plugin_core::{BoxPlugin, Call, PluginError, Reply};
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), PluginError> {
/// let double = service_fn(|call: Call<u32>| async move { Ok(Reply::new(call.into_payload() * 2)) });
/// let square = service_fn(|call: Call<u32>| async move { Ok(Reply::new(call.into_payload().pow(2))) });
///
/// let plugins: Vec<BoxPlugin<u32, u32>> = vec![BoxPlugin::new(double), BoxPlugin::new(square)]; // one type
/// let mut answers = Vec::new();
/// for plugin in plugins {
///     answers.push(plugin.oneshot(Call::new(7)).await?.into_payload());
/// }
/// assert_eq!(answers, [14, 49]);
/// # Ok::<(), PluginError>(())
/// # }
/// ```
pub struct BoxPlugin<Req, Res>(BoxCloneSyncService<Call<Req>, Reply<Res>, PluginError>);

impl<Req, Res> BoxPlugin<Req, Res> {
    /// Erases the type of this plugin.
    #[must_use]
    pub fn new(plugin: impl Plugin<Req, Res>) -> Self {
        Self(BoxCloneSyncService::new(plugin))
    }
}

impl<Req, Res> Service<Call<Req>> for BoxPlugin<Req, Res> {
    type Response = Reply<Res>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Res>, PluginError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Req>) -> Self::Future {
        self.0.call(call)
    }
}

impl<Req, Res> Clone for BoxPlugin<Req, Res> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Req, Res> fmt::Debug for BoxPlugin<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxPlugin").finish_non_exhaustive()
    }
}
