//! How a call reaches code that runs elsewhere, and how that code is served.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "inproc")]
pub mod inproc;
#[cfg(feature = "lines")]
pub mod lines;
#[cfg(all(feature = "process", target_os = "linux"))]
pub mod process;
#[cfg(feature = "tls")]
pub mod tls;
