//! The messages of `plugin.v1.PluginService`, written out of `proto/plugin/v1/plugin.proto` by `cargo xtask tidy --only proto`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::must_use_candidate, reason = "generated")]

include!("generated/plugin.v1.rs");

/// The service's name, and that of its messages in a request's path.
pub(crate) const SERVICE: &str = "plugin.v1.PluginService";
