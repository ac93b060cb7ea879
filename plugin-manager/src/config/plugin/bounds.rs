//! How long what is sent to a plugin may be, and what it answers.

use plugin_core::settings::Kind;
use plugin_settings::Keys;

/// What a message of HTTP or gRPC may be bounded to.
pub(super) const MESSAGE: Kind = Kind::size(1 << 10, 1 << 30);

/// The bounds, where they are said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) line: Option<usize>,
    pub(super) request: Option<usize>,
    pub(super) response: Option<usize>,
}

impl Bounds {
    pub(super) fn read(keys: &mut Keys<'_>) -> Self {
        let mut bytes = |key| keys.size(key).and_then(|bytes| usize::try_from(bytes).ok());
        Self { line: bytes("max_line"), request: bytes("max_request"), response: bytes("max_response") }
    }
}
