//! The handle: reads the state and the statistics, and changes the settings while calls go on.

use std::{sync::Arc, time::Duration};

use plugin_core::{Rejected, clock};

use crate::{RateLimitConfig, TokenBucket, bucket::Acquired, decisions::Decisions, gcra::until_full};

/// Reads the statistics and changes the settings of a [`RateLimitLayer`](crate::RateLimitLayer) and all its services.
/// Cheap to clone.
///
/// ```
/// use plugin_ratelimit::{RateLimitConfig, RateLimitLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = RateLimitLayer::new(RateLimitConfig::builder().with_burst_size(1).build()?);
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|(): ()| async { Ok::<_, BoxError>(()) }));
///
/// handle.disable(); // everything passes and nothing is counted
/// service.clone().oneshot(()).await?;
/// handle.enable();
/// service.oneshot(()).await?;
/// assert_eq!(handle.stats().allowed, 1);
///
/// handle.reconfigure(handle.config().to_builder().with_requests_per_second(100.0).build()?); // from the next request on
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimitHandle(Arc<CountedBucket>);

#[derive(Debug)]
struct CountedBucket {
    bucket: TokenBucket,
    decisions: Decisions,
}

/// The statistics of a rate limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitStats {
    /// Requests that were let through while the limit was enabled.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that fit now; `None` while the limit is disabled.
    pub remaining: Option<u64>,
    /// Requests that the steady rate allows in one `window`; `None` while the limit is disabled.
    pub limit: Option<u64>,
    /// The period that `limit` counts over: the setting `time_window`, or the time of one token where that is longer.
    pub window: Duration,
    /// Time until the bucket is full.
    pub reset: Duration,
    /// Calls that wait for a token.
    pub waiting: usize,
}

impl RateLimitHandle {
    pub(crate) fn new(bucket: TokenBucket) -> Self {
        Self(Arc::new(CountedBucket { bucket, decisions: Decisions::default() }))
    }

    #[inline]
    pub(crate) fn admit(&self) -> Result<(), Rejected> {
        // Its own reading, not the moment at which the call was received: one that was held since would take a token of the
        // past, which the bucket has refilled, and as many more would pass at once as were held.
        self.count(self.0.bucket.acquire(1, clock::now))
    }

    /// Counts a decision that was made of the bucket.
    #[inline]
    pub(crate) fn count(&self, decision: Result<Acquired, Rejected>) -> Result<(), Rejected> {
        self.0.decisions.count(decision)
    }

    /// The statistics. Requests that run meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> RateLimitStats {
        let (reading, now) = (self.0.bucket.reading(), clock::now().as_nanos());
        let quota = reading.limit.quota(reading.arrival, now);
        RateLimitStats {
            allowed: self.0.decisions.allowed(),
            refused: self.0.decisions.refused(),
            remaining: quota.map(|quota| quota.remaining),
            limit: quota.map(|quota| quota.limit),
            window: reading.limit.window(),
            reset: until_full(reading.arrival, now),
            waiting: self.0.bucket.waiting(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> RateLimitConfig {
        self.0.bucket.config()
    }

    /// Changes the settings, and keeps what is owed: see [`TokenBucket::reconfigure`].
    pub fn reconfigure(&self, config: RateLimitConfig) {
        self.0.bucket.reconfigure(config);
    }

    /// Limits again.
    pub fn enable(&self) {
        self.0.bucket.enable();
    }

    /// Passes everything through.
    pub fn disable(&self) {
        self.0.bucket.disable();
    }

    /// Whether requests are limited.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.bucket.is_enabled()
    }

    /// The bucket, to take tokens from besides the layer.
    #[must_use]
    pub fn bucket(&self) -> &TokenBucket {
        &self.0.bucket
    }
}
