//! TLS to the database: rustls, certificates and host names always verified.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{DatabaseUrl, database_url::UrlError};

/// Returns the connector for a database: it trusts the authorities of `sslrootcert` alone, or else the public ones.
pub fn connector(url: &DatabaseUrl) -> Result<MakeRustlsConnect, UrlError> {
    let roots = match &url.root_certificates {
        Some(path) => authorities(path)?,
        None => RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UrlError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Reads the file of `sslrootcert`, so that a wrong one is found at the start and not at the first connection.
pub(crate) fn check_authorities(url: &DatabaseUrl) -> Result<(), UrlError> {
    url.root_certificates
        .as_deref()
        .map_or(Ok(()), |path| authorities(path).map(drop))
}

fn authorities(path: &Path) -> Result<RootCertStore, UrlError> {
    let refuse = |reason: String| UrlError::Authorities {
        path: path.display().to_string(),
        reason,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(roots)
}
