//! Ready-made probes, each behind a feature of its own, so that nobody compiles what he does not ask.
//!
//! | probe | feature | healthy when |
//! |---|---|---|
//! | [`tcp`] | `probe-tcp` | a connection is made |
//! | [`unix`], [`unix_line`], [`unix_ping`] | `probe-unix` | a connection is made; and, where a line is sent, its answer is right |
//! | [`process`] | `probe-process` (Linux) | that very process runs, and not another one of its number |
//! | [`http`] | `probe-http` | the status is an expected one, over the client that you have |
//! | [`grpc`] | `probe-grpc` | `grpc.health.v1.Health/Check` answers `SERVING`, over the channel that you have |
//!
//! What else tells how something is goes through [`probe`](crate::probe), which takes a closure. A probe has no timeout of its
//! own: whoever asks it bounds it, and drops its future then.

#[cfg(all(any(fuzzing, test), feature = "probe-http", feature = "probe-unix"))]
pub(crate) mod fuzzing;
#[cfg(feature = "probe-grpc")]
mod grpc;
#[cfg(feature = "probe-http")]
mod http;
#[cfg(feature = "probe-http")]
mod http_expected;
#[cfg(all(feature = "probe-process", target_os = "linux"))]
mod process;
#[cfg(any(feature = "probe-http", feature = "probe-unix"))]
mod said;
#[cfg(feature = "probe-tcp")]
mod tcp;
#[cfg(feature = "probe-unix")]
mod unix;

#[cfg(feature = "probe-grpc")]
pub use self::grpc::grpc;
#[cfg(feature = "probe-http")]
pub use self::http::http;
#[cfg(feature = "probe-http")]
pub use self::http_expected::HttpExpected;
#[cfg(all(feature = "probe-process", target_os = "linux"))]
pub use self::process::process;
#[cfg(feature = "probe-tcp")]
pub use self::tcp::tcp;
#[cfg(feature = "probe-unix")]
pub use self::unix::{unix, unix_line, unix_ping};
