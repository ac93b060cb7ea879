//! Why a connection that came about is of no use.

use std::io;

use plugin_core::BoxError;

pub(crate) struct Unfit {
    pub(crate) error: BoxError,
    /// It will be so in a second too.
    pub(crate) permanent: bool,
}

impl Unfit {
    #[cfg(any(feature = "http", feature = "grpc"))]
    pub(crate) fn passing(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), permanent: false }
    }
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        // Who listens there later may let it in; who owns it will not change that by himself.
        let permanent = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput);
        Self { error: error.into(), permanent }
    }
}
