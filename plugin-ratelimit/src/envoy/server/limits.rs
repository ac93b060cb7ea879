//! The decision on a whole question.

use std::collections::HashMap;

use tonic::Status;

use super::{
    super::{
        proto::{
            Duration, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
            rate_limit_response::{Code, DescriptorStatus, RateLimit},
        },
        unit::{self, EnvoyUnit},
    },
    bounds,
    buckets::{Buckets, Decided},
    rule,
    tree::Tree,
};
use crate::{KeyedTokenBucket, RateLimitConfig};

/// A rule as it decides.
pub(super) struct Rule {
    pub(super) buckets: Buckets,
    pub(super) stated: RateLimit,
}

/// A limit that a descriptor brings itself, and what it is the limit of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Own {
    requests: u32,
    unit: EnvoyUnit,
    of: String,
}

/// All rules.
pub(super) struct Limits {
    pub(super) domains: HashMap<String, Tree<Rule>>,
    /// Where descriptors may bring limits of their own.
    pub(super) own: Option<KeyedTokenBucket<Own>>,
}

/// What decides on a descriptor.
enum Found<'a> {
    Rule(&'a Rule, String),
    Own(&'a KeyedTokenBucket<Own>, Own, RateLimitConfig),
    /// A limit of its own that lets nothing through.
    Closed(EnvoyUnit),
    Nothing,
}

/// The buckets for limits that descriptors bring.
pub(super) fn own_buckets() -> KeyedTokenBucket<Own> {
    KeyedTokenBucket::with_limits(RateLimitConfig::default(), |own: &Own| own.unit.limit(own.requests))
}

impl Limits {
    /// Decides on each descriptor by itself: one that is over its limit takes nothing, and keeps no other from taking.
    /// Nothing is taken where the question is refused as a whole.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, with what is wrong.
    pub(super) async fn decide(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, Status> {
        bounds::check(request)?;
        let found: Result<Vec<_>, Status> =
            request.descriptors.iter().map(|descriptor| self.find(&request.domain, descriptor)).collect();
        let mut statuses = Vec::with_capacity(request.descriptors.len());
        for (descriptor, found) in request.descriptors.iter().zip(found?) {
            statuses.push(found.decide(hits(request, descriptor)).await);
        }
        let is_over = statuses.iter().any(|status| status.code == i32::from(Code::OverLimit));
        let overall_code = if is_over { Code::OverLimit } else { Code::Ok }.into();
        Ok(RateLimitResponse { overall_code, statuses, ..RateLimitResponse::default() })
    }

    fn find(&self, domain: &str, descriptor: &RateLimitDescriptor) -> Result<Found<'_>, Status> {
        if let (Some(buckets), Some(limit)) = (&self.own, &descriptor.limit) {
            let unit = EnvoyUnit::from_number(limit.unit).ok_or_else(|| {
                Status::invalid_argument("the limit of a descriptor has no unit of time that is known")
            })?;
            let requests = limit.requests_per_unit;
            if requests == 0 {
                return Ok(Found::Closed(unit));
            }
            let config = unit.limit(requests).ok_or_else(|| {
                Status::invalid_argument("the limit of a descriptor is more than 10000000 requests in a second")
            })?;
            let texts = descriptor.entries.iter().flat_map(|entry| [entry.key.as_str(), entry.value.as_str()]);
            let of = rule::joined(std::iter::once(domain).chain(texts));
            return Ok(Found::Own(buckets, Own { requests, unit, of }, config));
        }
        let found = self.domains.get(domain).and_then(|tree| tree.find(&descriptor.entries));
        Ok(found.map_or(Found::Nothing, |(rule, open)| {
            // One value is its own key, which an operator can read.
            let key = if let [value] = open.as_slice() { (*value).to_owned() } else { rule::joined(open) };
            Found::Rule(rule, key)
        }))
    }
}

impl Found<'_> {
    async fn decide(self, hits: u32) -> DescriptorStatus {
        match self {
            Self::Rule(rule, key) => status(rule.stated.clone(), rule.buckets.take(&key, hits).await),
            Self::Own(buckets, own, config) => {
                let taken = buckets.try_acquire(&own, hits);
                status(unit::stated(config, ""), Decided::new(taken, buckets.quota(&own)))
            }
            Self::Closed(unit) => {
                let stated = RateLimit { requests_per_unit: 0, unit: unit.number(), name: String::new() };
                status(stated, Decided { is_over: true, ..Decided::default() })
            }
            Self::Nothing => DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() },
        }
    }
}

/// What a request counts for with a descriptor. 0 stands for 1, but where the descriptor itself says it: that one only
/// asks.
fn hits(request: &RateLimitRequest, descriptor: &RateLimitDescriptor) -> u32 {
    match &descriptor.hits_addend {
        // More than any bucket holds.
        Some(own) => u32::try_from(own.value).unwrap_or(u32::MAX),
        None => request.hits_addend.max(1),
    }
}

fn status(limit: RateLimit, decided: Decided) -> DescriptorStatus {
    DescriptorStatus {
        code: if decided.is_over { Code::OverLimit } else { Code::Ok }.into(),
        current_limit: Some(limit),
        limit_remaining: u32::try_from(decided.remaining).unwrap_or(u32::MAX),
        duration_until_reset: decided.reset.map(|time| Duration {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(time.subsec_nanos()).unwrap_or(0),
        }),
    }
}
