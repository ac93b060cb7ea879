//! Copies of calls for a second service, whose answers nobody waits for.

mod config;
mod copy;
mod handle;
mod layer;
mod mark;
mod service;
mod settings;
mod state;
mod stats;
mod task;

pub use config::{MirrorConfig, MirrorConfigBuilder};
pub use copy::{CopyByClone, CopyFn, CopyRequest};
pub use handle::MirrorHandle;
pub use layer::MirrorLayer;
#[cfg(feature = "http")]
pub use mark::MarkHttp;
pub use mark::{MIRRORED, MarkCall, MarkCopy, Unmarked};
pub use service::Mirror;
pub use stats::MirrorStats;
