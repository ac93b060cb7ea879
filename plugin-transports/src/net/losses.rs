//! Connections that ended with a call on them.

use std::sync::{Arc, Mutex, PoisonError};

use plugin_core::deadline::cut::{Line, Place};

/// Whether the last that was heard of a plugin is that a connection to it ended: as when its process has died.
#[derive(Default)]
pub(crate) struct Losses {
    line: Arc<Line>,
    /// What the plugin had answered when the last connection ended.
    last: Mutex<Option<Place>>,
}

impl Losses {
    /// `line` counts what the plugin answers.
    pub(crate) fn new(line: &Arc<Line>) -> Arc<Self> {
        Arc::new(Self { line: Arc::clone(line), last: Mutex::default() })
    }

    /// A connection ended with a call on it.
    pub(crate) fn ended(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.line.join());
    }

    /// Whether nothing was answered since.
    pub(crate) fn is_latest(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|place| !self.line.has_moved(place))
    }
}

#[cfg(any(feature = "http", feature = "grpc"))]
mod of_http {
    use plugin_core::classify;

    use super::{
        super::{interim::TooMany, misspoken::is_no_http1},
        Losses,
    };

    impl Losses {
        /// A call was lost to this. Whether that is because its connection ended.
        pub(crate) fn add(&self, cause: &hyper::Error) -> bool {
            let is_of_connection = is_of_connection(cause);
            if is_of_connection {
                self.ended();
            }
            is_of_connection
        }
    }

    /// Whether the connection has gone, and not just one stream of it; what the plugin itself has said wrongly on it is told by
    /// each call.
    fn is_of_connection(cause: &hyper::Error) -> bool {
        !(classify::is_of_one_stream(cause) || is_no_http1(cause) || TooMany::behind(cause).is_some())
    }
}
