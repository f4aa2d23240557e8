//! Proving the server: TLS as rustls verifies it, and what binds the password to it.
//!
//! There is no mode between `verify-full` and `disable`: encrypting towards whoever answers would
//! only look like safety.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::HashAlgorithm;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::socket::Socket;
use crate::error::StoreError;

/// A configuration that trusts the authorities of `file`, or the system's.
pub(super) fn trusting(file: Option<&Path>) -> Result<Arc<ClientConfig>, StoreError> {
    let certificates = match file {
        Some(path) => of_file(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        let place = file.map_or("the system's trust store".into(), Path::to_string_lossy);
        let problem = format!("`{place}` holds no authority to verify the server against");
        return Err(StoreError::BadUrl(problem));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Engine(error.to_string()))?;
    Ok(Arc::new(versions.with_root_certificates(roots).with_no_client_auth()))
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        StoreError::BadUrl(format!("its `sslrootcert` `{}`: {error}", path.display()))
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    found.collect::<Result<_, _>>().map_err(|error| unreadable(&error))
}

/// How one connection is to be proven.
pub(super) struct Prove {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl TlsConnect<Socket> for Prove {
    type Stream = Proven;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Proven>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let provider = Arc::clone(self.config.crypto_provider());
            let stream = TlsConnector::from(self.config).connect(self.name, socket).await?;
            Ok(Proven { stream, provider })
        })
    }
}

/// A connection whose server proved who it is.
pub(super) struct Proven {
    stream: tokio_rustls::client::TlsStream<Socket>,
    provider: Arc<CryptoProvider>,
}

impl TlsStream for Proven {
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.stream.get_ref().1.peer_certificates();
        let end_point = certificates
            .and_then(<[_]>::first)
            .and_then(|certificate| end_point(certificate, &self.provider));
        end_point.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// RFC 5929 §4.1: the certificate, hashed as its signature does, or by SHA-256 where that is MD5 or
/// SHA-1. `None` if we do not know how it is signed, as with Ed25519.
fn end_point(certificate: &[u8], provider: &CryptoProvider) -> Option<Vec<u8>> {
    let algorithm = match signed_by(certificate)? {
        // RFC 4055 §5 and RFC 5758 §3.2: rsa and ecdsa with SHA-256, with SHA-384; RFC 3279: SHA-1.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05 | 0x0b]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => HashAlgorithm::SHA256,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => HashAlgorithm::SHA384,
        _ => return None,
    };
    let suites = provider.cipher_suites.iter().filter_map(rustls::SupportedCipherSuite::tls13);
    let mut hashes = suites.map(|suite| suite.common.hash_provider);
    let hash = hashes.find(|hash| hash.algorithm() == algorithm)?;
    Some(hash.hash(certificate).as_ref().to_vec())
}

/// The object identifier of the signature's algorithm: RFC 5280 §4.1, the second field of three.
fn signed_by(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const IDENTIFIER: u8 = 0x06;
    let (fields, _) = element(certificate, SEQUENCE)?;
    let (_, after_body) = element(fields, SEQUENCE)?;
    let (algorithm, _) = element(after_body, SEQUENCE)?;
    element(algorithm, IDENTIFIER).map(|(identifier, _)| identifier)
}

/// X.690 §8.1: the contents of the element at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

impl AsyncRead for Proven {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, room)
    }
}

impl AsyncWrite for Proven {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
