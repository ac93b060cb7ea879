//! The lock and the flag of what stands beside a connection. `tests/loom.rs` brings those of loom.

pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
