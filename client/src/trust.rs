//! Whom the issuer's certificate may be signed by.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::build::BuildError;

/// The system's authorities, which `SSL_CERT_FILE` and `SSL_CERT_DIR` name where they are set, and
/// those of `extra` in PEM.
pub(crate) fn trusting(extra: Option<&[u8]>) -> Result<Arc<ClientConfig>, BuildError> {
    let mut certificates = rustls_native_certs::load_native_certs().certs;
    if let Some(pem) = extra {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| BuildError::Authority(error.to_string()))?;
        if found.is_empty() {
            return Err(BuildError::Authority("it holds no certificate".to_owned()));
        }
        certificates.extend(found);
    }
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(BuildError::Authority("there is none on this system".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Authority(error.to_string()))?;
    Ok(Arc::new(versions.with_root_certificates(roots).with_no_client_auth()))
}
