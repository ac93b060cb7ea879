//! Credentials: what a client sends, and the layer by which a server checks them.
//!
//! | method | sent as | error when it is incomplete |
//! |---|---|---|
//! | `none` | nothing | |
//! | `api-key` | `X-API-Key: <key>` | `AUTH_1101` |
//! | `bearer` | `Authorization: Bearer <token>` | `AUTH_1102` |
//! | `basic` | `Authorization: Basic <user:password>` | `AUTH_1103` |
//! | `mtls` | a client certificate | `AUTH_1104` |
//! | `custom` | `headers` alone | `AUTH_1105` |
//!
//! `headers` are sent with every method, and so is a client certificate where one is set. `ca_file` is the only authority
//! that is trusted, whatever the method. An unknown method is `AUTH_1105`.

mod client;
mod config;
mod credentials;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod method;
mod settings;
mod verifier;
mod verify;

pub use client::ClientConfig;
pub use config::AuthConfig;
pub use credentials::Credentials;
pub use method::AuthMethod;
#[cfg(feature = "unix")]
pub(crate) use verifier::take_credentials;
pub use verifier::{Identity, Verifier};
pub use verify::{Verify, VerifyFuture, VerifyLayer};
