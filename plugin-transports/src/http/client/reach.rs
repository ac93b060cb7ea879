//! Whether the plugin can be reached.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use plugin_core::PluginError;
use tokio_util::sync::CancellationToken;

use super::pool::Pool;

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
    pool: Weak<Pool>,
    closing: CancellationToken,
}

impl Reach {
    pub(super) fn new(pool: &Arc<Pool>, closing: &CancellationToken) -> Self {
        Self { pool: Arc::downgrade(pool), closing: closing.clone() }
    }

    /// Whether the latest try of a connection has failed, whoever made it, a call or [`connect`](Self::connect); or whether a
    /// connection ended with a call on it, and nothing was answered since.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.pool.upgrade().is_some_and(|pool| pool.is_lost())
    }

    /// Makes a connection, TLS included, and closes it: nothing is sent on it. It counts as none of `max_connections`, and takes
    /// no longer than `connection_timeout`. Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// `PLUGIN_1205` when none can be made, or the plugin is gone.
    pub async fn connect(&self) -> Result<(), PluginError> {
        match self.pool.upgrade() {
            Some(pool) => pool.connector().connect(&Arc::default()).await.map(drop),
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
