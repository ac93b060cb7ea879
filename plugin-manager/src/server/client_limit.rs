//! How many calls each client may make.

use std::{net::IpAddr, sync::Arc, time::Duration};

use plugin_core::{Rejected, sync::StripedCounter};
use plugin_ratelimit::{KeyedRateLimitConfig, KeyedTokenBucket, RateLimitConfig, RedisStore, SharedBucket};

use crate::stack::{Caller, Plans};

/// The name of the buckets in Redis. No plugin has it.
const BUCKETS: &str = "/clients";

/// What the key of a client begins with there that is known by its name.
const NAME: &str = "name:";

/// A limit on the calls of each client: by the name under which it is known, or else by its address.
///
/// ```
/// use plugin_manager::{
///     server::{ClientLimit, GatewaySettings},
///     stack::Plans,
/// };
/// use plugin_ratelimit::RateLimitConfig;
///
/// let limit = RateLimitConfig::builder().with_requests_per_second(50.0).with_burst_size(100).build()?;
/// let settings = GatewaySettings::default().with_client_limit(ClientLimit::new(limit, Plans::new()));
/// # drop(settings);
/// # Ok::<(), plugin_manager::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientLimit(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    buckets: Buckets,
    plans: Plans,
    allowed: StripedCounter,
    refused: StripedCounter,
}

/// What an operator sees of it.
pub(super) struct ClientFigures {
    pub(super) limit: RateLimitConfig,
    /// Clients that have another one.
    pub(super) plans: Vec<(Arc<str>, RateLimitConfig)>,
    pub(super) allowed: u64,
    pub(super) refused: u64,
    /// Clients that have a bucket of their own, and the most that may.
    pub(super) clients: Option<(usize, u32)>,
    /// Those who owe the most, and how much.
    pub(super) top: Vec<(String, u64)>,
    /// Where it is shared.
    pub(super) shared: Option<SharedBucket>,
}

#[derive(Debug)]
enum Buckets {
    Own(KeyedTokenBucket<Client>),
    Shared(SharedBucket),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    Name(Arc<str>),
    Address(IpAddr),
    /// Over a Unix socket, without credentials.
    Unknown,
}

impl ClientLimit {
    /// This limit for each client, but for those who have another one by their names.
    #[must_use]
    pub fn new(limit: impl Into<KeyedRateLimitConfig>, plans: Plans) -> Self {
        let (limit, of) = (limit.into(), plans.clone());
        let buckets = if plans.is_empty() {
            KeyedTokenBucket::new(limit)
        } else {
            KeyedTokenBucket::with_limits(limit, move |client: &Client| match client {
                Client::Name(name) => of.of(name),
                Client::Address(_) | Client::Unknown => None,
            })
        };
        Self::of(Buckets::Own(buckets), plans)
    }

    /// The same over all gateways with the same Redis.
    #[must_use]
    pub fn shared(limit: RateLimitConfig, plans: Plans, store: &RedisStore) -> Self {
        let of = plans.clone();
        let bucket = if plans.is_empty() {
            SharedBucket::new(store, BUCKETS, limit)
        } else {
            SharedBucket::with_limits(store, BUCKETS, limit, move |client| of.of(client.strip_prefix(NAME)?))
        };
        Self::of(Buckets::Shared(bucket), plans)
    }

    fn of(buckets: Buckets, plans: Plans) -> Self {
        Self(Arc::new(Counted { buckets, plans, allowed: StripedCounter::new(), refused: StripedCounter::new() }))
    }

    /// Its figures, and so many of those who owe the most.
    pub(super) fn figures(&self, top: usize) -> ClientFigures {
        let (plans, allowed, refused) = (self.0.plans.all(), self.0.allowed.sum(), self.0.refused.sum());
        match &self.0.buckets {
            Buckets::Own(buckets) => {
                let top = buckets.top_keys(top).into_iter().map(|usage| (usage.key.shown(), usage.owed)).collect();
                let clients = Some((buckets.keys(), buckets.max_keys()));
                ClientFigures { limit: buckets.config().limit(), plans, allowed, refused, clients, top, shared: None }
            }
            Buckets::Shared(bucket) => {
                let (limit, shared) = (bucket.config(), Some(bucket.clone()));
                ClientFigures { limit, plans, allowed, refused, clients: None, top: Vec::new(), shared }
            }
        }
    }

    /// The connection to Redis, where it is shared.
    pub(super) fn store(&self) -> Option<RedisStore> {
        match &self.0.buckets {
            Buckets::Own(_) => None,
            Buckets::Shared(bucket) => Some(bucket.store()),
        }
    }

    /// Takes a token of this caller, who has so much time left.
    pub(super) async fn admit(&self, caller: &Caller, left: Duration) -> Result<(), Rejected> {
        let admitted = match &self.0.buckets {
            Buckets::Own(buckets) => buckets.try_acquire(&Client::of(caller), 1),
            // In a box: a wait for Redis is long, and the calls of gateways without it are not to have its room.
            Buckets::Shared(bucket) => Box::pin(bucket.try_acquire_within(&Client::of(caller).shown(), 1, left)).await,
        };
        let counter = if admitted.is_ok() { &self.0.allowed } else { &self.0.refused };
        counter.add(1);
        admitted
    }
}

impl Client {
    fn of(caller: &Caller) -> Self {
        match (caller.shared_name(), caller.address()) {
            (Some(name), _) => Self::Name(Arc::clone(name)),
            (None, Some(address)) => Self::Address(address),
            (None, None) => Self::Unknown,
        }
    }

    /// As a key in Redis, and for operators. No name is taken for an address.
    fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("{NAME}{name}"),
            Self::Address(address) => format!("ip:{address}"),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_is_who_it_is_known_to_be_and_else_where_it_comes_from() {
        let limit = RateLimitConfig::builder().with_requests_per_second(1.0).with_burst_size(1).build().expect("valid");
        let limit = ClientLimit::new(limit, Plans::new());
        let here: IpAddr = [203, 0, 113, 7].into();
        let named = |name: &str| Caller::default().with_name(name).with_address(here);
        for caller in [named("a"), named("b"), Caller::default().with_address(here), Caller::default()] {
            assert!(limit.admit(&caller, Duration::MAX).await.is_ok(), "{caller:?} has a bucket of its own");
            assert!(
                limit.admit(&caller, Duration::MAX).await.is_err_and(|rejected| rejected.retry_after().is_some()),
                "{caller:?}"
            );
        }
        let elsewhere = named("a").with_address([203, 0, 113, 8].into());
        assert!(limit.admit(&elsewhere, Duration::MAX).await.is_err(), "who is known is the same everywhere");
    }

    #[test]
    fn no_name_is_an_address_to_redis() {
        let named = Client::of(&Caller::default().with_name("203.0.113.7"));
        let from = Client::of(&Caller::default().with_address([203, 0, 113, 7].into()));
        assert_ne!(named.shown(), from.shown());
        assert_ne!(Client::of(&Caller::default().with_name("unknown")).shown(), Client::Unknown.shown());
    }
}
