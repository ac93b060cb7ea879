//! TLS for clients and servers, out of PEM files.
//!
//! Versions 1.2 and 1.3, the latter preferred, by rustls on aws-lc-rs. A client trusts the platform's authorities, or those
//! of a `ca_file` and no other. Every fault of a file is a [`TlsError`], which names the file and what is wrong with it: it
//! is not there, it cannot be read, it holds no certificate, the certificate has expired, the key belongs to another.
//!
//! ```no_run
//! use plugin_transports::tls::{ClientTlsConfig, ServerTlsConfig};
//!
//! # fn main() -> Result<(), plugin_transports::tls::TlsError> {
//! let server = ServerTlsConfig::new("server.pem", "server.key").with_client_ca_file("clients.pem").build()?;
//! let client = ClientTlsConfig::new().with_ca_file("ca.pem").with_client_certificate("me.pem", "me.key").build()?;
//! # Ok(()) }
//! ```

mod client;
mod error;
mod files;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod server;
mod validity;
mod version;

pub use client::{ClientTls, ClientTlsConfig};
pub use error::{TlsError, TlsErrorKind};
pub use server::{ServerTls, ServerTlsConfig};
pub use version::TlsVersion;

/// The cryptography behind every configuration: one provider, whatever else the process has installed.
fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<std::sync::Arc<rustls::crypto::CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| rustls::crypto::aws_lc_rs::default_provider().into()).clone()
}

#[cfg(test)]
pub(crate) mod test_files;
