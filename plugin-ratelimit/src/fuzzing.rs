//! The fuzz targets of this crate: what holds for any bytes that its decoders are given.

#[cfg(all(feature = "envoy-rls", not(loom)))]
pub use crate::envoy::fuzzing::envoy_question;
#[cfg(feature = "http")]
pub use crate::keyed::fuzzing::client_ip;

#[cfg(all(test, feature = "envoy-rls", not(loom)))]
fuzz_twins::twins!(client_ip, envoy_question);

#[cfg(all(test, feature = "http", not(all(feature = "envoy-rls", not(loom)))))]
fuzz_twins::twins!(client_ip);
