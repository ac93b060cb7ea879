//! A certificate that is trusted because it is the very one that is named.
//!
//! `openssl req -x509` makes a certificate that signs itself and says that it is an authority's (`CA:TRUE`). RFC 5280 has no
//! authority at the end of a chain, so by its rules no server and no client can show one. Who names that very certificate as
//! the one to trust has said all there is to know of it: it is taken, byte for byte, if its name and its time are right, and
//! the other side still signs the handshake with its key.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    server::{
        ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{certificate::CertificateParts, provider};

/// The names of authorities that a server sends to say whose certificates it takes are part of one message, of which others read
/// 64 KiB. Most clients have one certificate, and show it whatever the names are.
const MAX_HINTS: usize = 32 << 10;

/// The certificates of a file of authorities, each as it is.
#[derive(Debug)]
struct Pins {
    certificates: Vec<CertificateDer<'static>>,
    /// The setting that names the file.
    setting: &'static str,
}

/// Checks a server's certificate.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pins: Pins,
    chains: Arc<WebPkiServerVerifier>,
}

/// Checks a client's certificate.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pins: Pins,
    chains: Arc<dyn ClientCertVerifier>,
}

impl ServerVerifier {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<Self>, VerifierBuilderError> {
        let chains = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?;
        Ok(Arc::new(Self { pins: Pins { certificates, setting: "ca_file" }, chains }))
    }
}

impl ClientVerifier {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<Self>, VerifierBuilderError> {
        let hints: usize = roots.subjects().iter().map(|name| name.as_ref().len() + 2).sum();
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let builder = if hints > MAX_HINTS { builder.clear_root_hint_subjects() } else { builder };
        let chains = builder.build()?;
        Ok(Arc::new(Self { pins: Pins { certificates, setting: "client_ca_file" }, chains }))
    }
}

impl Pins {
    /// Whether it is one of them, within its time. `None` where that is not the question: it is no authority's.
    fn check(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Option<Result<(), Error>> {
        let parts = CertificateParts::of(shown).filter(CertificateParts::is_authority)?;
        if !self.certificates.iter().any(|pinned| pinned == shown) {
            let other = OtherError(Arc::new(AuthorityShown { setting: self.setting }));
            return Some(Err(CertificateError::Other(other).into()));
        }
        let since_1970 = |moment: std::time::SystemTime| {
            UnixTime::since_unix_epoch(
                moment.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO),
            )
        };
        let (not_before, not_after) = (since_1970(parts.validity.not_before), since_1970(parts.validity.not_after));
        Some(if now > not_after {
            Err(CertificateError::ExpiredContext { time: now, not_after }.into())
        } else if now < not_before {
            Err(CertificateError::NotValidYetContext { time: now, not_before }.into())
        } else {
            Ok(())
        })
    }
}

/// Signatures are checked as ever: it is the chain alone that a pinned certificate does without.
macro_rules! chains_verify_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.chains.verify_tls12_signature(message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.chains.verify_tls13_signature(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.chains.supported_verify_schemes()
        }
    };
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.pins.check(end_entity, now) {
            Some(pinned) => {
                pinned?;
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            None => self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
        }
    }

    chains_verify_signatures!();
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.pins.check(end_entity, now) {
            Some(pinned) => pinned.map(|()| ClientCertVerified::assertion()),
            None => self.chains.verify_client_cert(end_entity, intermediates, now),
        }
    }

    chains_verify_signatures!();
}

/// What the other side shows says that it is an authority's, and is not pinned.
#[derive(Debug)]
struct AuthorityShown {
    setting: &'static str,
}

impl fmt::Display for AuthorityShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it says that it is an authority's (CA:TRUE), as `openssl req -x509` makes them, and is none of those in \
             `{}`: name this very certificate there (it needs the name that it is reached by, \
             `-addext subjectAltName=DNS:...`), or one of an authority",
            self.setting
        )
    }
}

impl StdError for AuthorityShown {}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;

    /// By OpenSSL 3.0.19: `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost
    /// -addext "subjectAltName=DNS:localhost,IP:127.0.0.1"`.
    const OPENSSL: &[u8] = b"-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUW1OlQx3k7HWw9Z1wkfo32j39vYswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODA1MDM1MFoYDzIxMjYxMTA0
MDUwMzUwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASIo4zUzeeuSoFAOMU8CuuftJEmhPWcMvErNVq9hFkTedIENzQYlL+r
+MKWfju8NnluQEhLIr+SEphEaa9HCH3Qo28wbTAdBgNVHQ4EFgQUcPLCx2RQfqTE
Jm8iKjKVUlZQjB4wHwYDVR0jBBgwFoAUcPLCx2RQfqTEJm8iKjKVUlZQjB4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgZQscTw0crXzNqiTuZtPJlUwl1x5hZqn8d5jM7OM0tykCIQCU
DXHuhKD1K02iY/xD510+f9XFxxwSQJIAciZzOBnXvQ==
-----END CERTIFICATE-----
";

    fn answer(pins: &[CertificateDer<'static>], name: &str, now: u64) -> Result<(), String> {
        let shown = CertificateDer::from_pem_slice(OPENSSL).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(shown.clone()).expect("an authority");
        let verifier = ServerVerifier::new(Arc::new(roots), pins.to_vec()).expect("authorities");
        let name = ServerName::try_from(name).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let verified = verifier.verify_server_cert(&shown, &[], &name, &[], now);
        verified.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn one_made_by_openssl_is_taken_as_it_is_within_its_time_and_under_its_names() {
        let own = CertificateDer::from_pem_slice(OPENSSL).expect("a certificate");
        let (start, end) = (1_795_842_230, 4_949_442_230);
        let pins = [own];
        for now in [start, end] {
            assert_eq!(answer(&pins, "localhost", now), Ok(()));
            assert_eq!(answer(&pins, "127.0.0.1", now), Ok(()));
        }
        let fault = |name, now| answer(&pins, name, now).expect_err("refused");
        assert!(fault("localhost", start - 1).contains("not valid yet"), "{}", fault("localhost", start - 1));
        assert!(fault("localhost", end + 1).contains("expired"), "{}", fault("localhost", end + 1));
        assert!(fault("elsewhere.example", start).contains("not valid for name"));
        // The right chain is not enough: it is none of those that are named, byte for byte.
        assert!(answer(&[], "localhost", start).expect_err("not pinned").contains("AuthorityShown"));
    }
}
