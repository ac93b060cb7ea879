//! What a plugin says that is not HTTP, be it in a head or behind it. It would say so again.

use std::{error::Error, io};

use plugin_core::classify;

/// Whether an answer is not HTTP, of whichever version.
pub(super) fn is_no_http(error: &hyper::Error) -> bool {
    is_no_http1(error) || classify::is_against_http2(error)
}

/// Whether it is not HTTP/1.1, over which one call at a time is on a connection.
pub(super) fn is_no_http1(error: &hyper::Error) -> bool {
    let kind = |error: &io::Error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
    let mut causes = std::iter::successors(error.source(), |&error| error.source());
    // Chunks or trailers that are none.
    error.is_parse() || causes.any(|cause| cause.downcast_ref().is_some_and(kind))
}
