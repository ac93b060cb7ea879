//! The host's end of the line protocol: many calls in flight over one pair of pipes.

mod backlog;
mod connection;
mod driver;
mod end;
mod exchange;
mod inbox;
mod sync;
mod table;
mod turn;
mod unexpected_lines;

use std::sync::Arc;

use plugin_core::Sent;

pub(crate) use self::{
    connection::LineConnection,
    driver::{Driver, connect},
    end::ConnectionEnd,
    exchange::Exchange,
    table::{MAX_IN_FLIGHT, Treatment},
};

/// What bounds a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLimits {
    /// Calls that may be in flight at once.
    pub(crate) in_flight: usize,
    /// Bytes of requests that may wait for the plugin to read.
    pub(crate) queued_bytes: usize,
    /// Bytes of one reply.
    pub(crate) line: usize,
    /// Lines in a row that are not replies, after which the plugin is broken.
    pub(crate) noise: u32,
    /// What bounds the JSON of a payload and of a result.
    pub(crate) json: crate::json::Limits,
}

/// Where a request stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A call: within the bounds, and in turn.
    Call,
    /// A question of the host, such as how the plugin is: outside of the bounds, and before every call that still waits.
    Ahead,
    /// What the host says last: outside of the bounds, and in turn, since a plugin reads no call that comes after it.
    Last,
}

/// Why a call has no answer. It knows neither the plugin's name nor what the call was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection ended, or had ended before.
    Lost(Loss, Sent),
    /// The connection takes no new call.
    Closing,
    /// The reply cannot be read; why, as the second half of a sentence.
    Unreadable(String),
    /// The result is beyond a limit.
    LimitExceeded(crate::json::LimitExceeded),
    /// The reply is longer than a line may be.
    ReplyTooLarge(usize),
    /// The plugin does not read, and what waits for it is at its bound.
    QueueFull(usize),
    /// Too many calls are in flight.
    TooMany(usize),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// As the second half of a sentence about the other side.
    pub(crate) why: Arc<str>,
    /// This side ended it, since somebody asked for that.
    pub(crate) on_request: bool,
}

impl From<&str> for Loss {
    fn from(why: &str) -> Self {
        Self { why: why.into(), on_request: false }
    }
}

impl Loss {
    /// That of a connection which this side ended, since somebody asked for that.
    pub(crate) fn on_request(why: &str) -> Self {
        Self { why: why.into(), on_request: true }
    }
}

/// What a connection has seen, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Replies that nobody waited for any more.
    pub(crate) late: u64,
    /// Lines that are not replies.
    pub(crate) noise: u64,
    /// Calls that were in flight, or waiting to be sent, now.
    pub(crate) in_flight: usize,
    /// Calls that were sent and given up, and neither answered nor overtaken by an answer to a later one.
    pub(crate) abandoned: usize,
}

#[cfg(test)]
mod tests;
