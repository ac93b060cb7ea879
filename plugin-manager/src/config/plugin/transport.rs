//! Which transports there are, and what a plugin's needs.

use plugin_settings::Faults;
use plugin_transports::process::ProcessConfig;

use super::InstanceConfig;

/// Those that this version serves.
pub(in crate::config) const SERVED: &[&str] = &["http", "https", "exec", "inproc"];

/// Those that it knows by name alone.
pub(super) const LATER: &[&str] = &["grpc", "grpc-tls", "unix", "unix-h2", "unix-grpc", "hashicorp", "wasm", "dylib"];

pub(in crate::config) const HTTP: &[&str] = &["http", "https"];
pub(super) const EXEC: &[&str] = &["exec"];
pub(super) const CONNECTED: &[&str] = &["http", "https", "exec"];
pub(super) const HAS_OPTIONS: &[&str] = &["exec", "inproc"];

/// How a plugin is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// Over HTTP.
    Http,
    /// Over HTTP and TLS.
    Https,
    /// As a supervised subprocess.
    Exec,
    /// In this process, made by the factory that `type` names.
    InProcess,
}

impl TransportKind {
    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Exec => "exec",
            Self::InProcess => "inproc",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Exec, Self::InProcess].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl std::fmt::Display for TransportKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the transport of a plugin needs. `Debug` shows no secret.
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config::{self, TransportConfig};
///
/// let text = "plugins: [{name: echo, transport: exec, executable: /bin/cat}]";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// assert!(matches!(config.plugins()[0].transport(), TransportConfig::Exec(_)));
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TransportConfig {
    /// Made in this process by the factory that [`PluginConfig::kind`](super::PluginConfig::kind) names.
    InProcess,
    /// A supervised subprocess.
    Exec(Box<ProcessConfig>),
    /// Over HTTP, at one or more places: there is always at least one.
    Http(Vec<InstanceConfig>),
    /// The same over TLS.
    Https(Vec<InstanceConfig>),
    /// What it says of this transport is wrong, or lacks something, as these faults say. [`PluginConfig::kind`](super::PluginConfig::kind) names a
    /// factory: where that is registered, the plugin needs none of it.
    Unusable(TransportKind, Faults),
}

impl TransportConfig {
    /// Which transport it is.
    #[must_use]
    pub fn kind(&self) -> TransportKind {
        match self {
            Self::InProcess => TransportKind::InProcess,
            Self::Exec(_) => TransportKind::Exec,
            Self::Http(_) => TransportKind::Http,
            Self::Https(_) => TransportKind::Https,
            Self::Unusable(kind, _) => *kind,
        }
    }
}
