//! The versions of TLS.

use std::{fmt, str::FromStr};

use plugin_core::ConfigError;
use rustls::SupportedProtocolVersion;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum TlsVersion {
    /// 1.2, and 1.3 where the other side has it.
    #[default]
    V1_2,
    /// 1.3 alone.
    V1_3,
}

impl TlsVersion {
    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    pub(super) fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::V1_2 => &BOTH,
            Self::V1_3 => &BOTH[..1],
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `1.2` or `1.3`.
impl FromStr for TlsVersion {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(ConfigError::new("min_version", format!("must be \"1.2\" or \"1.3\", and is {text:?}"))),
        }
    }
}
