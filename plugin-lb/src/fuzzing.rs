//! The fuzz targets of this crate: what holds for any bytes that one of its decoders is given.

pub use crate::load_report::fuzzing::load_report;

#[cfg(test)]
fuzz_twins::twins!(load_report);
