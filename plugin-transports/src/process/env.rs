//! The variables of the protocol.

pub(super) use crate::lines::env::{COOKIE, COOKIE_VALUE, NAME, OPTIONS, VERSION};

pub(super) const PROTOCOL: &str = "PLUGIN_PROTOCOL_VERSION";
pub(super) const PROTOCOL_VERSION: &str = "1";
pub(super) const TYPE: &str = "PLUGIN_TYPE";
