//! The line protocol: JSON on the standard streams of a process, one request and one reply per line.
//!
//! ```text
//! stdin  -> {"id":"7","method":"execute","payload":<JSON>,"context":{"request_id":"..","timeout":<ns>,"max_retries":0,
//!            "headers":{..}?,"metadata":{..}?}}
//! stdout <- {"id":"7","result":<JSON>}  or  {"id":"7","error":"text","code":"PLUGIN_1206"?,
//!            "retryable":true?,"retry_after_ms":1500?}; ours also "metadata":{..}?
//! stderr    the plugin's log
//! ```
//!
//! Every request begins with its id, so that one which a plugin's own JSON reader cannot take (an integer of thousands of
//! digits, say) can be answered all the same, with an error; it need not end the plugin.
//!
//! An `error` is evidence against the plugin, like any failure, unless its `code` says that the caller is at fault
//! (`PLUGIN_1206`, `PLUGIN_1207`, `AUTH_1107`) or that there is no room for the call now (`RATELIMIT_1501`, `OVERLOAD_2001`
//! to `OVERLOAD_2003`). `PLUGIN_1204` says that it ran out of time: of the time that it was told, which is judged as if the
//! host had ended the call, or with time left of a limit of its own, which is a failure that may be tried again. Any other
//! code, or none, is `PLUGIN_1203`. Whether another attempt may help follows from the code unless `retryable` says it, and
//! `retry_after_ms` is what `Retry-After` is over HTTP.
//!
//! An object with the id of a call is its reply when it has a `result`; when it has an `error`, and no `level` as a line of a
//! log has; or when it has nothing but its id, which is a `result` that is null. The id is to be given back as it came, a
//! text. A line that names a call and has none of the two, but something else, ends its call with an error that says so,
//! unless it is a log's (`level`, `msg`, `ts`, ...) or a request that was written back. Everything else on stdout is noise.
//!
//! Requests may be answered in any order. Besides `execute` a plugin may have `info`, `health`, `init` (its options, once
//! and before the first call) and `shutdown`; the host calls `info` first, and the others only when they are in the list
//! `methods` of its result. A plugin that knows only `execute` answers any other method with an error.
//!
//! The host sets the variables `AGILIRA_PLUGIN_MAGIC_COOKIE`, `PLUGIN_PROTOCOL_VERSION`, `PLUGIN_TYPE`, `PLUGIN_NAME` and
//! `PLUGIN_VERSION`, and `PLUGIN_OPTIONS` when there are options.
//!
//! A whole plugin, in Python and its standard library:
//!
//! ```python
#![doc = include_str!("echo.py")]
//! ```
//!
//! Here is the plugin's side: [`serve_json`] for an async function, [`serve`] for any service, [`Server`] for more. The
//! host's side is the module `process`.

#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) mod client;
#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) mod codec;
pub(crate) mod env;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
pub(crate) mod id;
#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) mod log;
pub(crate) mod scan;
mod serve;
pub(crate) mod split;

pub use self::serve::{ServeError, Server, serve, serve_json};
