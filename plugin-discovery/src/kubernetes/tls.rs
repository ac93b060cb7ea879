//! TLS to the API server, out of PEM.

use std::{error::Error, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::{failure::Failure, files::unusable, resolved::Resolved};
use crate::FaultKind;

/// The settings of TLS, and the name that the certificate must have.
pub(super) fn client(access: &Resolved) -> Result<(Arc<ClientConfig>, ServerName<'static>), Failure> {
    let roots = match &access.authorities {
        Some(pem) => authorities(pem)?,
        None => platform()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| because("TLS", &error))?
        .with_root_certificates(roots);
    let mut config = match &access.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| because("the client's key", &error))?;
            let chain = certificates(cert, "the client's certificate")?;
            builder.with_client_auth_cert(chain, key).map_err(|error| because("the client's certificate", &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = access.server_name.as_deref().unwrap_or(&access.server.host).to_owned();
    let server =
        ServerName::try_from(name.as_str()).map_err(|error| because(&format!("the server's name {name:?}"), &error))?;
    Ok((Arc::new(config), server.to_owned()))
}

/// One provider, whatever else the process has installed.
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "the authority of the API server")? {
        roots.add(certificate).map_err(|error| because("the authority of the API server", &error))?;
    }
    Ok(roots)
}

fn platform() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(unusable("the platform has no authority, and none was named for the API server"));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], whose: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| because(whose, &error))?;
    if found.is_empty() {
        return Err(unusable(format!("{whose} is no certificate in PEM")));
    }
    Ok(found)
}

fn because(whose: &str, cause: &(dyn Error + 'static)) -> Failure {
    Failure::because(FaultKind::Unreadable, format!("{whose} cannot be used"), cause)
}
