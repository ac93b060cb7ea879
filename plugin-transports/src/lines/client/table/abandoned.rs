//! How far a request had come when its caller gave it up.

use plugin_core::Sent;

use super::slots::Treatment;

/// How far a request had come that its caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Came {
    /// Nothing of it was written: the plugin does not read.
    Queued,
    /// Nothing of it was written: it was not its turn. Meanwhile the plugin has answered others.
    Held,
    /// The same, and the plugin has answered nobody.
    Stuck,
    /// It was written behind others, of which the plugin has answered some meanwhile, and not come to it.
    Behind,
    /// The plugin may have seen it.
    Sent(Treatment),
}

impl Came {
    pub(in super::super) fn sent(self) -> Sent {
        match self {
            Self::Queued | Self::Held | Self::Stuck => Sent::Nothing,
            Self::Behind | Self::Sent(_) => Sent::Maybe,
        }
    }

    /// What it waited for.
    pub(in super::super) fn stage(self) -> &'static str {
        match self {
            Self::Queued => "waiting until the plugin reads",
            Self::Held | Self::Stuck => "waiting for its turn at the plugin",
            Self::Behind => "waiting behind others that the plugin answers",
            Self::Sent(_) => "on the plugin",
        }
    }
}
