//! The source, and how its tries follow each other.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{KubernetesConfig, follow::Follow, status::LONGEST_PUSH_BACK};
use crate::{Publisher, Source};

/// A try begins at least this long after the last one did, whatever came of that one.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Follows the endpoints of a Service of Kubernetes: its EndpointSlices are listed once and then watched.
///
/// The [page of the crate](crate#settings-of-kubernetes) says what a program needs for it, and what happens when something goes wrong.
///
/// ```no_run
/// use std::time::Duration;
///
/// use plugin_discovery::{
///     Discovery,
///     kubernetes::{KubernetesConfig, KubernetesSource},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = KubernetesConfig::builder("payments").with_port("grpc").build()?;
/// let discovery = Discovery::start(KubernetesSource::new(config));
/// for found in discovery.first(Duration::from_secs(10)).await?.iter() {
///     println!("{} in {:?}, draining: {}", found.address(), found.zone(), found.is_draining());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a source does nothing until it is started"]
pub struct KubernetesSource {
    config: KubernetesConfig,
}

impl KubernetesSource {
    /// A source with these settings.
    pub fn new(config: KubernetesConfig) -> Self {
        Self { config }
    }
}

impl Source for KubernetesSource {
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        run(self.config, publisher)
    }
}

async fn run(config: KubernetesConfig, publisher: Publisher) {
    let backoff = config.backoff;
    let mut follow = Follow::new(config, publisher.clone());
    let (mut failures, mut wait) = (0, Duration::ZERO);
    loop {
        let began = Instant::now();
        let failed = follow.try_once().await.err();
        let ended = Instant::now();
        if failed.is_none() || follow.was_of_use() {
            (failures, wait) = (0, Duration::ZERO);
        }
        let mut next = began + BETWEEN_TRIES;
        if let Some(failure) = failed {
            publisher.fault(failure.kind, &failure.message);
            wait = backoff.wait(failures, wait, fastrand::f64());
            failures = failures.saturating_add(1);
            let push_back = failure.retry_after.unwrap_or_default().min(LONGEST_PUSH_BACK);
            next = next.max(ended + wait.max(push_back));
        }
        sleep_until(next).await;
    }
}
