//! The certificates this server shows: those of PEM files, or its own.
//!
//! Of its own it has an authority, made once and kept sealed, which issues a short one for each
//! host and the next one before that ends. For the token service and the gateway alike.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_api::tls;
use marque_crypto::intercept::{InterceptAuthority, MAX_LEAF_LIFETIME};
use marque_crypto::seal::{self, Binding, KeyManager, Sealed};
use marque_crypto::{CryptoError, Secret, SystemRandom};
use marque_domain::Timestamp;
use marque_plane::Plane;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::OAuth;
use crate::exit::{Exit, Failure};
use crate::passphrase::secret_from;
use crate::place::{DataDir, replace_private, replace_public};

/// The file with the authority, and what it is sealed for.
const NAME: &str = "issuer";
const PLACE: Binding<'static> =
    Binding { table: "server_authority", row: "keys/issuer", revision: 1 };
/// How long an authority is good.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// One that ends within this time is made anew at a start.
const LIFETIME_LEFT_MIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A certificate that is good for less than this is followed by the next one.
const RENEW_BEFORE: Duration = Duration::from_secs(MAX_LEAF_LIFETIME.as_secs() / 3);
/// Most bytes of a file with certificates.
const PEM_MAX_BYTES: u64 = 256 * 1024;

/// Where certificates come from.
#[derive(Clone)]
pub(crate) enum Certificates {
    /// PEM files, read at the start.
    Files(Arc<CertifiedKey>),
    /// An authority of this server's own.
    Own(Arc<InterceptAuthority>),
}

impl Certificates {
    /// As configured; the authority of the server's own is made if there is none yet.
    pub(crate) fn open(
        config: &OAuth,
        data: &DataDir,
        (key_manager, now): (&dyn KeyManager, Timestamp),
    ) -> Result<Self, Failure> {
        if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
            return in_files(certificate, key).map(Arc::new).map(Self::Files);
        }
        let path = data.key(NAME);
        let authority = if path.exists() { Some(load(&path, key_manager)?) } else { None };
        let lasts = |authority: &InterceptAuthority| now.plus(LIFETIME_LEFT_MIN) < authority.ends();
        let authority = match authority.filter(lasts) {
            Some(authority) => authority,
            None => make(&path, key_manager, now)?,
        };
        let public = data.issuer_authority();
        replace_public(&public, &authority.ca_pem())
            .map_err(|error| cannot_write(&public, &error))?;
        Ok(Self::Own(Arc::new(authority)))
    }

    /// How a listener speaks TLS as that host, a name or an address: with a certificate that is
    /// followed by the next one in time, and asking clients for theirs.
    pub(crate) fn server_config(
        &self,
        host: &str,
        (plane, protocols): (&Plane, &[&[u8]]),
    ) -> Result<Arc<ServerConfig>, Failure> {
        let certificate: Arc<dyn ResolvesServerCert> = match self {
            Self::Files(key) => Arc::new(Fixed(Arc::clone(key))),
            Self::Own(authority) => {
                Arc::new(Renewed::new(Arc::clone(authority), host, plane).map_err(|error| {
                    Failure::new(Exit::Failed, format!("no certificate for `{host}`: {error}"))
                })?)
            }
        };
        let config = tls::server_config(certificate, protocols);
        config.map_err(|error| Failure::new(Exit::Failed, format!("TLS is not to be had: {error}")))
    }
}

fn in_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, Failure> {
    let unusable = |path: &Path, why: &str| {
        let message = format!("`{}` cannot be used: {why}", path.display());
        Failure::new(Exit::Failed, message)
            .hint("`oauth.certificate` holds PEM certificates, its own first; `oauth.key` its key")
    };
    let found = std::fs::metadata(certificate);
    let found = found.map_err(|error| unusable(certificate, &error.to_string()))?;
    if found.len() > PEM_MAX_BYTES {
        return Err(unusable(certificate, "it is longer than 256 KiB"));
    }
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(certificate, &error.to_string()))?;
    let secret = secret_from(key, "key of the certificate")?;
    let private = PrivateKeyDer::from_pem_slice(secret.expose());
    let private = private.map_err(|_| unusable(key, "it holds no private key in PEM"))?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|error| unusable(certificate, &error.to_string()))
}

fn load(path: &Path, key_manager: &dyn KeyManager) -> Result<InterceptAuthority, Failure> {
    let unusable = |why: &str| {
        let message = format!("the authority in `{}` cannot be used: {why}", path.display());
        Failure::new(Exit::Failed, message).hint(
            "restore the folder `keys` from a backup; or move the file away, and give clients the \
             new `issuer-ca.pem`",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error.to_string()))?;
    let bytes = STANDARD.decode(text.trim()).map_err(|_| unusable("it is damaged"))?;
    let opened = Sealed::from_bytes(&bytes).and_then(|sealed| open_seal(key_manager, &sealed));
    let authority = opened.and_then(|exposed| InterceptAuthority::restore(&exposed));
    authority.map_err(|error| unusable(&error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "what it opens is the server's own authority")]
fn open_seal(key_manager: &dyn KeyManager, sealed: &Sealed) -> Result<Secret, CryptoError> {
    seal::open(key_manager, &PLACE, sealed)
}

fn make(
    path: &Path,
    key_manager: &dyn KeyManager,
    now: Timestamp,
) -> Result<InterceptAuthority, Failure> {
    let made = InterceptAuthority::create_for_server(now, LIFETIME).and_then(|authority| {
        let sealed = seal::seal(key_manager, &SystemRandom, &PLACE, &authority.expose()?)?;
        Ok((authority, STANDARD.encode(sealed.to_bytes())))
    });
    let (authority, text) = made.map_err(|error| {
        Failure::new(Exit::Failed, format!("no authority could be made: {error}"))
    })?;
    replace_private(path, &text).map_err(|error| cannot_write(path, &error))?;
    tracing::info!("an authority for the server's own certificates was made");
    Ok(authority)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
}

/// One certificate, as long as the server runs.
#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A certificate for one host, and the next one before it ends.
struct Renewed {
    authority: Arc<InterceptAuthority>,
    host: String,
    plane: Plane,
    current: Mutex<Issued>,
}

#[derive(Clone)]
struct Issued {
    key: Arc<CertifiedKey>,
    ends: Timestamp,
}

impl Renewed {
    fn new(
        authority: Arc<InterceptAuthority>,
        host: &str,
        plane: &Plane,
    ) -> Result<Self, CryptoError> {
        let issued = issue(&authority, host, plane.clock().now())?;
        let (host, plane) = (host.to_owned(), plane.clone());
        Ok(Self { authority, host, plane, current: Mutex::new(issued) })
    }

    fn certificate(&self) -> Arc<CertifiedKey> {
        let now = self.plane.clock().now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.plus(RENEW_BEFORE) >= current.ends {
            match issue(&self.authority, &self.host, now) {
                Ok(issued) => *current = issued,
                Err(error) => tracing::warn!(%error, "the server's certificate was not renewed"),
            }
        }
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for Renewed {
    // A signature in a hundred thousand handshakes; no address is asked for by name (RFC 6066 §3),
    // so what the client calls us says nothing.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate())
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("host", &self.host).finish_non_exhaustive()
    }
}

fn issue(
    authority: &InterceptAuthority,
    host: &str,
    now: Timestamp,
) -> Result<Issued, CryptoError> {
    let leaf = authority.leaf(host, now)?;
    let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
    let chain = leaf.chain().to_vec();
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    let key = key.map_err(|_| CryptoError::Library("a certificate of the server's own"))?;
    Ok(Issued { key: Arc::new(key), ends: leaf.ends() })
}
