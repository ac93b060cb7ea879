//! What the line protocols and the one over HTTP have in common: what is sent of a call, what is read out of an answer, and how
//! a plugin is called that is served over any.

#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod bounded;
#[cfg(any(feature = "http", feature = "grpc", feature = "lines", feature = "unix"))]
pub(crate) mod call_served;
#[cfg(any(feature = "grpc", all(feature = "process", target_os = "linux")))]
pub(crate) mod confidential;
#[cfg(any(feature = "http", feature = "grpc", feature = "lines", feature = "unix"))]
pub(crate) mod header_names;
#[cfg(any(feature = "http", feature = "grpc", feature = "lines", feature = "unix"))]
pub(crate) mod headers;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod health;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod hiding;
#[cfg(any(feature = "lines", feature = "unix"))]
pub(crate) mod introduction;
pub(crate) mod json_faults;
#[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
pub(crate) mod json_writer;
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod metadata;
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod object;
#[cfg(any(feature = "http", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod object_names;
#[cfg(any(feature = "http", feature = "lines", feature = "unix"))]
pub(crate) mod part;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod plugin_errors;
#[cfg(feature = "http")]
pub(crate) mod read_object;
#[cfg(any(feature = "http", feature = "grpc", feature = "lines", feature = "unix"))]
pub(crate) mod retry_hint;
#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) mod told_time;
