//! Opens TCP connections to a name that may have several addresses, of which some may be dead.
//!
//! ```no_run
//! use std::time::Duration;
//! use plugin_transports::dial::{DialError, Dialer};
//!
//! # async fn connect() -> Result<(), DialError> {
//! // One for each place that is dialled, kept: it remembers which addresses did not answer.
//! let dialer = Dialer::new("plugin.example", 8080);
//! let stream = dialer.connect(Duration::from_secs(10)).await?;
//! # drop(stream); Ok(()) }
//! ```
//!
//! The addresses are raced as in RFC 8305: families take turns, beginning with that of the name's first address; the next
//! address is tried after 250 ms, or sooner where the limit gives each less than that, and at once when one fails. The
//! first that answers wins, and the rest are given up.
//!
//! An address that failed, or that had a start and was overtaken, stands at the end of the line for a minute, so that the
//! next connection does not begin with it. So does one that takes connections of the HTTP client and never says anything on
//! them. Those that answer keep the order of the name lookup, which spreads load.

mod dialer;
mod dialing;
mod error;
mod order;
mod resolver;

#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) use dialing::Dialing;
pub use {dialer::Dialer, error::DialError, resolver::Resolver};
