//! The fuzz targets of this crate: what holds for any bytes that one of its decoders is given.

#[cfg(feature = "file")]
use std::collections::HashSet;

#[cfg(feature = "kubernetes")]
pub use crate::kubernetes::fuzzing::*;
#[cfg(feature = "file")]
use crate::{FoundInstance, file::parse};

/// A file of instances names each once, with a weight in bounds and an address that has a port; what is wrong is said
/// on one line, with its place.
#[cfg(feature = "file")]
pub fn instances_file(bytes: &[u8]) {
    match parse(bytes) {
        Ok(instances) => {
            let names: HashSet<_> = instances.iter().map(FoundInstance::name).collect();
            assert_eq!(names.len(), instances.len());
            for found in &instances {
                assert!((1..=FoundInstance::MAX_WEIGHT).contains(&found.weight()), "{found:?}");
                assert!(!found.name().is_empty() && found.zone() != Some(""), "{found:?}");
                let port = found.address().rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                assert!(matches!(port, Some(Ok(1..))), "{found:?}");
            }
        }
        Err(problem) => assert!(problem.contains(" at line "), "{problem}"),
    }
}

#[cfg(all(test, feature = "file"))]
fuzz_twins::twins!(instances_file);
