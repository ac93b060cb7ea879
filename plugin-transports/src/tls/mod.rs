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
//!
//! # Who is trusted
//!
//! A certificate is good if an authority that is trusted has issued it, at the time and, on the side of a client, for the name that
//! was called. One that signs itself and says that it is an authority's, as `openssl req -x509` makes them, is good where
//! `ca_file` (`client_ca_file`) holds that very certificate: it is compared byte for byte, and its name and time are checked
//! as of any other. Whatever it is, the other side has to sign the handshake with its key.
//!
//! An error says which side refused, and why. Under TLS 1.3 a client's part of the handshake is over before the server has looked
//! at its certificate; a refusal that then comes in the place of an answer is told as one, and of the call nothing was seen. A server
//! tells it to its log, one `WARN` in ten seconds with their number.
//!
//! # Renewal
//!
//! A new connection uses the files as they are then: certificate, key and authorities, on both sides. Before a connection is
//! made, and at most once a second, a side looks whether the system says that a file has changed (its time, its size, which
//! file it is at the end of all links), and reads those again. So it matters neither how a file is replaced (written in
//! place, renamed over, by a link to another folder as Kubernetes does it) nor when: nothing watches, and nothing can be missed.
//! A disk that is slow holds up no call on a connection that is there: the look is had on a thread of its own, and after a
//! quarter of a second the new connection goes on with what was there before.
//!
//! - Connections that are open go on as they are. Sessions are not resumed across a change, so that no client comes in by an
//!   authority that was taken away.
//! - What cannot be used is not taken: half a file, a certificate whose key is not there yet, one that has expired. New
//!   connections go on with what was there before, and the log has one `WARN` for each such content, which says what is wrong
//!   with which file. When it is right it is taken, and one `INFO` says for whom the certificate is and until when.
//! - A disk that has not answered for a minute is told likewise, once, and once that it answers again.
//! - `status` of either side ([`TlsStatus`]) tells it to metrics and probes, and whether a certificate ends soon.
//! - The platform's authorities are read once.

mod certificate;
mod client;
mod der;
mod error;
mod files;
#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
#[cfg(any(feature = "http", feature = "grpc"))]
mod handshake;
mod offered;
#[cfg(any(feature = "http", feature = "grpc"))]
mod peer;
mod pinned;
mod renewal;
mod server;
mod shown;
mod stamp;
mod status;
mod validity;
mod version;

pub use client::{ClientTls, ClientTlsConfig};
pub use error::{TlsError, TlsErrorKind};
#[cfg(any(feature = "http", feature = "grpc"))]
pub(crate) use handshake::HandshakeError;
#[cfg(any(feature = "http", feature = "grpc"))]
pub use peer::PeerCertificate;
pub use server::{ServerTls, ServerTlsConfig};
pub use status::TlsStatus;
pub use version::TlsVersion;

/// The cryptography behind every configuration: one provider, whatever else the process has installed.
fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<std::sync::Arc<rustls::crypto::CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| rustls::crypto::aws_lc_rs::default_provider().into()).clone()
}

#[cfg(test)]
pub(crate) mod test_files;
