//! A server of TLS of which every part is the test's choice.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::{
    support::{listener, ok, read_message},
    test_files::Files,
};

pub(crate) static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let bytes = fs::read(path).expect("a file");
    CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().expect("certificates")
}

pub(crate) fn roots(path: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(path));
    Arc::new(roots)
}

/// The certificate, and a key that need not belong to it.
pub(crate) fn certified(cert: &Path, key: &Path) -> CertifiedKey {
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let key = provider().key_provider.load_private_key(key).expect("a key that can sign");
    CertifiedKey::new(certificates(cert), key)
}

pub(crate) fn by_authority(files: &Files) -> Arc<dyn ClientCertVerifier> {
    WebPkiClientVerifier::builder_with_provider(roots(&files.ca()), provider()).build().expect("authorities")
}

/// The settings of a server that speaks these versions.
pub(crate) fn config(
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<Arc<dyn ClientCertVerifier>>,
    certified: CertifiedKey,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Serves one answer over HTTP/1.1, and takes connections of HTTP/2 and says nothing on them. Gives its port.
pub(crate) async fn serve(config: ServerConfig) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                while read_message(&mut stream).await.is_some() {
                    if stream.write_all(&ok(r#"{"data":1}"#)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address.port()
}
