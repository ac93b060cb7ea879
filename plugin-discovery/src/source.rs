//! Where instances are found.

use std::future::Future;

use crate::Publisher;

/// Where the instances of a service are found: this crate's sources, or one of your own.
///
/// A source finds for ever, and publishes each whole set through its [`Publisher`]. It decides nothing about sets that
/// are empty or cannot be read: it says so, and whoever started it keeps the last good set for as long as it is
/// [configured](crate::DiscoveryConfig). A closure that takes a publisher and returns a future is a source:
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::{Discovery, FaultKind, FoundInstance, Publisher};
///
/// # async fn ask_the_registry() -> Result<Vec<String>, std::io::Error> { Ok(vec!["10.0.0.1:80".to_owned()]) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = Discovery::start(|publisher: Publisher| async move {
///     loop {
///         match ask_the_registry().await {
///             Ok(addresses) => publisher.publish(addresses.into_iter().map(FoundInstance::new)),
///             Err(error) => publisher.fault(FaultKind::Unreachable, error.to_string()),
///         }
///         tokio::time::sleep(Duration::from_secs(10)).await;
///     }
/// });
/// assert_eq!(discovery.first(Duration::from_secs(5)).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
pub trait Source: Send + 'static {
    /// Finds instances for ever.
    ///
    /// The future is dropped, at any await, when nobody holds the [`Discovery`](crate::Discovery) any more. If it ends
    /// or panics, that is a fault ([`FaultKind::Ended`](crate::FaultKind::Ended)), and it is not started again: a
    /// source that can go on does so itself, waiting by [`Backoff`](plugin_core::Backoff) after a fault.
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send;
}

impl<F, Fut> Source for F
where
    F: FnOnce(Publisher) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        self(publisher)
    }
}
