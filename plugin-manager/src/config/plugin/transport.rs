//! Which transports there are, and what a plugin's needs.

use plugin_settings::Faults;
use plugin_transports::process::ProcessConfig;

use super::InstanceConfig;

/// Those that this version serves.
pub(in crate::config) const SERVED: &[&str] =
    &["http", "https", "grpc", "grpc-tls", "unix", "unix-h2", "unix-grpc", "exec", "inproc"];

/// Those that it knows by name alone.
pub(super) const LATER: &[&str] = &["hashicorp", "wasm", "dylib"];

/// Those whose plugins are told options.
pub(super) const HAS_OPTIONS: &[&str] = &["exec", "grpc", "grpc-tls", "unix-grpc", "inproc"];

/// How a plugin is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// Over HTTP.
    Http,
    /// Over HTTP and TLS.
    Https,
    /// Over gRPC.
    Grpc,
    /// Over gRPC and TLS.
    GrpcTls,
    /// By lines over a Unix socket, as go-plugins v1 has them.
    Unix,
    /// Over HTTP/2 on a Unix socket.
    UnixH2,
    /// Over gRPC on a Unix socket.
    UnixGrpc,
    /// As a supervised subprocess.
    Exec,
    /// In this process, made by the factory that `type` names.
    InProcess,
}

impl TransportKind {
    const ALL: [Self; 9] = [
        Self::Http,
        Self::Https,
        Self::Grpc,
        Self::GrpcTls,
        Self::Unix,
        Self::UnixH2,
        Self::UnixGrpc,
        Self::Exec,
        Self::InProcess,
    ];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::GrpcTls => "grpc-tls",
            Self::Unix => "unix",
            Self::UnixH2 => "unix-h2",
            Self::UnixGrpc => "unix-grpc",
            Self::Exec => "exec",
            Self::InProcess => "inproc",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether TLS is spoken.
    pub(super) const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::GrpcTls)
    }

    /// Whether it is a Unix socket.
    pub(super) const fn is_socket(self) -> bool {
        matches!(self, Self::Unix | Self::UnixH2 | Self::UnixGrpc)
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
    /// Over connections of this kind, at one or more places: there is always at least one.
    Network(TransportKind, Vec<InstanceConfig>),
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
            Self::Network(kind, _) | Self::Unusable(kind, _) => *kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_transports::names::CONNECTED;

    use super::*;

    #[test]
    fn every_transport_that_is_served_has_a_kind_and_is_in_the_lists() {
        assert_eq!(
            SERVED
                .iter()
                .map(|name| TransportKind::of(name).map(TransportKind::as_str))
                .collect::<Option<Vec<_>>>()
                .as_deref(),
            Some(SERVED)
        );
        assert_eq!(TransportKind::ALL.len(), SERVED.len());
        assert_eq!([CONNECTED, &["inproc"]].concat(), SERVED);
        for name in LATER {
            assert_eq!(TransportKind::of(name), None, "{name}");
        }
    }
}
