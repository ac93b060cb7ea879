//! Instances that are known.

use std::future::{Future, pending};

use crate::{FoundInstance, Publisher, Source};

/// A list of instances that does not change: where a program takes any source, and its addresses are known.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::{Discovery, StaticSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = Discovery::start(StaticSource::at(["10.0.0.1:80", "10.0.0.2:80"]));
/// assert_eq!(discovery.first(Duration::from_secs(1)).await?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StaticSource {
    instances: Vec<FoundInstance>,
}

impl StaticSource {
    /// These instances.
    #[must_use]
    pub fn new(instances: impl IntoIterator<Item = FoundInstance>) -> Self {
        Self { instances: instances.into_iter().collect() }
    }

    /// Instances at these addresses, with the defaults.
    #[must_use]
    pub fn at<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(addresses.into_iter().map(FoundInstance::new))
    }
}

impl Source for StaticSource {
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        publisher.publish(self.instances);
        pending()
    }
}
