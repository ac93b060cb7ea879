//! What the line protocol and the one over HTTP have in common: what is sent of a call, what is read out of an answer, and how
//! a plugin is called that is served over either.

#[cfg(any(feature = "http", feature = "lines"))]
pub(crate) mod call_served;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod headers;
pub(crate) mod json_faults;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod metadata;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod object;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod object_names;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod part;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod plugin_errors;
#[cfg(any(feature = "http", feature = "lines"))]
pub(crate) mod retry_hint;
#[cfg(any(feature = "http", all(feature = "process", target_os = "linux")))]
pub(crate) mod told_time;
