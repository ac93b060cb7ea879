//! The buckets of one rule: in memory, or in Redis.

use std::time::Duration;

use plugin_core::{Quota, Rejected};

use crate::KeyedTokenBucket;
#[cfg(feature = "redis")]
use crate::SharedBucket;

/// Where a rule's buckets are.
pub(super) enum Buckets {
    Here(KeyedTokenBucket<String>),
    #[cfg(feature = "redis")]
    Shared(SharedBucket),
}

/// What was decided on one descriptor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) is_over: bool,
    /// Hits that fit now.
    pub(super) remaining: u64,
    /// Over the limit the time until as many hits fit, or nothing if they never do; else the time until the bucket is
    /// full.
    pub(super) reset: Option<Duration>,
}

impl Decided {
    /// Of a decision and of what is left after it.
    pub(super) fn new(taken: Result<(), Rejected>, quota: Option<Quota>) -> Self {
        let remaining = quota.map_or(0, |quota| quota.remaining);
        match taken {
            Ok(()) => Self { is_over: false, remaining, reset: quota.map(|quota| quota.reset) },
            Err(rejected) => Self { is_over: true, remaining, reset: rejected.retry_after() },
        }
    }
}

impl Buckets {
    /// Takes as many tokens of this key, or none.
    pub(super) async fn take(&self, key: &str, hits: u32) -> Decided {
        match self {
            Self::Here(buckets) => {
                let taken = buckets.try_acquire(key, hits);
                let quota = quota_of(&taken).or_else(|| buckets.quota(key));
                Decided::new(taken, quota)
            }
            #[cfg(feature = "redis")]
            Self::Shared(bucket) => {
                let taken = bucket.try_acquire(key, hits).await;
                let quota = match quota_of(&taken) {
                    Some(quota) => Some(quota),
                    None => bucket.quota(key).await,
                };
                Decided::new(taken, quota)
            }
        }
    }
}

/// What a refusal says of the bucket, at the moment of the decision.
fn quota_of(taken: &Result<(), Rejected>) -> Option<Quota> {
    taken.as_ref().err().and_then(Rejected::quota)
}
