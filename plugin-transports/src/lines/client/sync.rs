//! The lock of the [turn to read](super::turn), which a model of `tests/loom.rs` has in place of the real one.

pub(crate) use std::sync::{Mutex, MutexGuard};
