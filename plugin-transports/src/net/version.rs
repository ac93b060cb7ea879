//! The version of HTTP.

/// The version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HttpVersion {
    /// What the server picks over TLS (ALPN, HTTP/2 preferred), and HTTP/1.1 without.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: demanded over TLS, and taken for granted without (prior knowledge). One connection carries all calls.
    Http2,
}

impl HttpVersion {
    pub(crate) const NAMES: &'static [&'static str] = &["auto", "http1", "http2"];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Auto, Self::Http1, Self::Http2].into_iter().find(|version| version.as_str() == name)
    }
}
