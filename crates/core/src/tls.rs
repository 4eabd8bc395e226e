//! TLS to the database: rustls, certificates and host names always verified.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{DatabaseUrl, database_url::UrlError};

/// Returns the connector for a database: it trusts the public authorities and those of `sslrootcert`.
pub fn connector(url: &DatabaseUrl) -> Result<MakeRustlsConnect, UrlError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &url.root_certificates {
        add_authorities(&mut roots, path)?;
    }
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
    match &url.root_certificates {
        Some(path) => add_authorities(&mut RootCertStore::empty(), path),
        None => Ok(()),
    }
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), UrlError> {
    let refuse = |reason: String| UrlError::Authorities {
        path: path.display().to_string(),
        reason,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))?;
    let mut count = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(())
}
