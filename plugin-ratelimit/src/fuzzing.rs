//! The fuzz target of this crate: what holds for any bytes that its decoder is given.

#[cfg(feature = "http")]
pub use crate::keyed::fuzzing::client_ip;

#[cfg(all(test, feature = "http"))]
fuzz_twins::twins!(client_ip);
