//! The handle of a deadline layer.

use std::{sync::Arc, time::Duration};

use super::limit::Limit;

/// Reads and changes the limit of a [`DeadlineLayer`](super::DeadlineLayer).
///
/// ```
/// use std::{future::pending, time::Duration};
///
/// use plugin_core::{Call, PluginError, deadline::DeadlineLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = DeadlineLayer::new(Duration::from_secs(30));
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|_: Call<()>| pending::<Result<(), PluginError>>()));
///
/// handle.reconfigure(Some(Duration::from_secs(2))); // for the calls that come from now on
/// let error = service.oneshot(Call::new(())).await.expect_err("no answer comes");
/// assert!(error.to_string().contains("2s were given"), "{error}");
/// assert_eq!(handle.config(), Some(Duration::from_secs(2)));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeadlineHandle(pub(super) Arc<Limit>);

impl DeadlineHandle {
    /// The limit; `None` when the layer only enforces what requests bring.
    #[must_use]
    pub fn config(&self) -> Option<Duration> {
        self.0.duration()
    }

    /// Changes the limit for requests that come from now on.
    pub fn reconfigure(&self, timeout: Option<Duration>) {
        self.0.set(timeout);
    }
}
