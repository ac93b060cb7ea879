//! Why a connection that came about is of no use.

use std::io;

use plugin_core::BoxError;

pub(crate) struct Unfit {
    pub(crate) error: BoxError,
    /// It will be so in a second too.
    pub(crate) permanent: bool,
    /// TLS did not come about on it.
    #[cfg_attr(not(any(feature = "http", feature = "grpc")), allow(dead_code, reason = "Unix sockets have none"))]
    pub(crate) of_tls: bool,
}

#[cfg(any(feature = "http", feature = "grpc"))]
impl Unfit {
    pub(crate) fn passing(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), permanent: false, of_tls: false }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn for_good(error: impl Into<BoxError>) -> Self {
        Self { permanent: true, ..Self::passing(error) }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn of_tls(error: impl Into<BoxError>) -> Self {
        Self { of_tls: true, ..Self::passing(error) }
    }
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        // Who listens there later may let it in; who owns it will not change that by himself.
        let permanent = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput);
        Self { error: error.into(), permanent, of_tls: false }
    }
}
