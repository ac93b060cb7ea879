//! Whether the plugin can be reached.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use plugin_core::{BoxFuture, PluginError};
use tokio_util::sync::CancellationToken;

/// Whether a plugin can be reached, for who waits until it can be. It keeps neither the plugin nor its connections.
///
/// ```
/// # use plugin_transports::http::{HttpConfig, HttpPlugin};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), plugin_core::PluginError> {
/// let instance = HttpPlugin::connect(HttpConfig::builder("p", "http://127.0.0.1:1/").build()?)?;
/// let reach = instance.service().reach();
/// assert!(!reach.is_lost(), "nobody has tried");
/// reach.connect().await.expect_err("nobody is there");
/// assert!(reach.is_lost());
/// drop(instance);
/// reach.closed().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Reach {
    peer: Weak<dyn Reachable>,
    closing: CancellationToken,
}

/// What knows whether a peer can be reached.
pub(crate) trait Reachable: Send + Sync {
    /// See [`Reach::is_lost`].
    fn is_lost(&self) -> bool;

    /// See [`Reach::connect`].
    fn connect(self: Arc<Self>) -> BoxFuture<Result<(), PluginError>>;
}

impl Reach {
    pub(crate) fn new(peer: &Arc<dyn Reachable>, closing: &CancellationToken) -> Self {
        Self { peer: Arc::downgrade(peer), closing: closing.clone() }
    }

    /// Whether the latest try of a connection has failed, whoever made it, a call or [`connect`](Self::connect); or whether a
    /// connection ended with a call on it, and nothing was answered since.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.peer.upgrade().is_some_and(|peer| peer.is_lost())
    }

    /// Makes a connection, TLS included, and closes it: nothing is sent on it. It counts as none of `max_connections`, and takes
    /// no longer than `connection_timeout`. Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1205` when none can be made, or the plugin is gone.
    pub async fn connect(&self) -> Result<(), PluginError> {
        match self.peer.upgrade() {
            Some(peer) => peer.connect().await,
            None => Err(PluginError::connection("the plugin is gone", plugin_core::Sent::Nothing)),
        }
    }

    /// Resolves when the instance is closed, or the last of its clients dropped.
    pub async fn closed(&self) {
        self.closing.cancelled().await;
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("is_lost", &self.is_lost()).finish_non_exhaustive()
    }
}
