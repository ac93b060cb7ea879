//! The fuzz target of this crate: what holds for any bytes that its decoders are given.

pub use crate::probes::fuzzing::health_answer;
