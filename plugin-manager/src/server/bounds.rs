//! The settings of a call's way through the data plane.

use std::time::Duration;

use plugin_transports::json;

use super::{access_log::Wanted, problem::ErrorDetail};

/// What bounds a call, and what is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_body: u64,
    /// Of all that are held at once, in each direction.
    pub(super) max_bodies: u64,
    /// For the whole body: one that comes a byte at a time is no way round it.
    pub(super) body_timeout: Duration,
    /// What bounds the JSON of a payload; that of a reply is for its transport.
    pub(super) json: json::Limits,
    pub(super) error_detail: ErrorDetail,
    pub(super) access_log: Wanted,
}
