//! The names of the methods.

use std::{fmt, str::FromStr};

use plugin_core::{Code, PluginError};

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AuthMethod {
    /// Not at all.
    #[default]
    None,
    /// A key in the header `X-API-Key`.
    ApiKey,
    /// A bearer token.
    Bearer,
    /// A user name and a password.
    Basic,
    /// A client certificate.
    Mtls,
    /// Headers of one's own.
    Custom,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [Self::None, Self::ApiKey, Self::Bearer, Self::Basic, Self::Mtls, Self::Custom];

    /// The names of [`ALL`](Self::ALL), in its order.
    pub const NAMES: &'static [&'static str] = &["none", "api-key", "bearer", "basic", "mtls", "custom"];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api-key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Mtls => "mtls",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a name of configuration; empty is `none`. Others are `AUTH_1105`.
impl FromStr for AuthMethod {
    type Err = PluginError;

    fn from_str(name: &str) -> Result<Self, PluginError> {
        if name.is_empty() {
            return Ok(Self::None);
        }
        Self::ALL.into_iter().find(|method| method.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            PluginError::new(
                Code::UnsupportedAuthMethod,
                format!("there is no authentication method {name:?}; there are: {known}"),
            )
        })
    }
}
