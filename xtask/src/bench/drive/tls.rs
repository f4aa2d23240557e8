//! Whom a client of the benchmark trusts. The TLS itself is rustls.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// The authorities in one PEM text.
#[derive(Clone)]
pub(in crate::bench) struct Trust(Arc<ClientConfig>);

impl Trust {
    pub(in crate::bench) fn in_pem(pem: &str) -> anyhow::Result<Self> {
        let found = CertificateDer::pem_slice_iter(pem.as_bytes());
        let found = found.collect::<Result<Vec<_>, _>>().context("certificates in PEM")?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found);
        ensure!(usable > 0, "there is no authority to trust");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        // Every handshake is a whole one.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The client's side of a connection to that name.
    pub(super) fn connection(&self, name: &str) -> anyhow::Result<ClientConnection> {
        let name = ServerName::try_from(name.to_owned())?;
        Ok(ClientConnection::new(Arc::clone(&self.0), name)?)
    }
}
