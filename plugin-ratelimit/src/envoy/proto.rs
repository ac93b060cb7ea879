//! The messages of Envoy's rate limit service, written out of `proto/envoy/service/ratelimit/v3/rls.proto` by
//! `cargo xtask tidy --only proto`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]

include!("generated/envoy.service.ratelimit.v3.rs");

/// The service's name.
pub(super) const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";

/// The path of its one method.
pub(super) const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
