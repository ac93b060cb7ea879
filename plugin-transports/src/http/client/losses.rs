//! What is lost with one process, or with one connection of HTTP/2, is one piece of evidence.

use std::{
    error::Error,
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use plugin_core::classify;

use super::interim::TooMany;

/// How many losses of connections a pool has counted as evidence against the plugin.
///
/// A plugin that goes away takes with it what is in flight, on one connection or on many. So a call says something of it
/// only where none was counted since the call was sent. One that was sent later meets a plugin that is lost anew.
#[derive(Default)]
pub(super) struct Losses(AtomicU64);

/// What was counted when a call was sent.
#[derive(Clone, Copy, Default)]
pub(super) struct Before(u64);

impl Losses {
    /// Of a call that is sent now.
    pub(super) fn before(&self) -> Before {
        // Relaxed: not to see one costs one failure more.
        Before(self.0.load(Ordering::Relaxed))
    }

    /// Whether another call has told already what is to be told of the plugin by one that was lost to `cause`. The first of
    /// those that were sent before it to ask is the one that tells it.
    pub(super) fn is_told(&self, before: Before, cause: &hyper::Error) -> bool {
        // Relaxed: any of them may be the first.
        let tells = || self.0.compare_exchange(before.0, before.0 + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_of_connection(cause) && !tells()
    }
}

/// Whether the connection has gone, and not just one stream of it; what the plugin itself has said wrongly on it is told by
/// each call.
fn is_of_connection(cause: &hyper::Error) -> bool {
    if classify::is_of_one_stream(cause) || cause.is_parse() || TooMany::behind(cause).is_some() {
        return false;
    }
    let mut next = cause.source();
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        // Chunks or trailers that are none.
        if matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return false;
        }
        next = error.source();
    }
    true
}
