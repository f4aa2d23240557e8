//! The only place that resolves names and opens connections outward.
//!
//! A name is resolved once, every address it leads to is judged, and one of exactly those is
//! dialled (threats 76 and 77). TLS is verified against the connection's own authority or the
//! system's; there is no way to skip it.

mod outward;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marque_domain::{Connection, Endpoint, Transport};
use marque_wire::address::{Reach, judge};
use marque_wire::host::Host;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use crate::read_ahead::ReadAhead;

pub use outward::Outward;
pub(crate) use upstream::{Key, Switched, Unanswered, Upstream};

/// How long each of resolving, connecting and the TLS handshake may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// Most addresses of one name that are tried, all of them judged before the first.
const TRIED_MAX: usize = 4;

/// A connection to an upstream, private where its transport says so.
pub(crate) type Line = Either<TcpStream, TlsStream<ReadAhead<TcpStream>>>;

/// What is spoken over a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113), which only TLS agrees on: an upgrade in the clear is never asked for.
    Http2,
}

impl Protocol {
    // RFC 7301 §6.
    fn name(self) -> Vec<u8> {
        match self {
            Self::Http1 => b"http/1.1".to_vec(),
            Self::Http2 => b"h2".to_vec(),
        }
    }
}

/// Dials upstreams.
pub(crate) struct Dialer {
    provider: Arc<CryptoProvider>,
    system: OnceCell<Arc<ClientConfig>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) silence: Duration,
}

impl Dialer {
    /// A dialler that reads the system's trust store when it first needs it.
    pub(crate) fn new(
        provider: Arc<CryptoProvider>,
        tasks: TaskTracker,
        silence: Duration,
    ) -> Self {
        Self { provider, system: OnceCell::new(), tasks, silence }
    }

    /// Opens a line to `endpoint`, which is one of the connection's, for what it can speak, or for
    /// one protocol `only`.
    ///
    /// # Errors
    /// [`Failure::Address`] if any address of the name is not public and the connection pins none;
    /// then nothing is dialled at all.
    pub(crate) async fn dial(
        &self,
        connection: &Connection,
        endpoint: &Endpoint,
        only: Option<Protocol>,
    ) -> Result<(Line, Protocol), Failure> {
        let stream = self.reach(connection, endpoint).await?;
        let config = match &connection.transport {
            Transport::Plain => return Ok((Either::Left(stream), Protocol::Http1)),
            Transport::Tls => self.system_trust(&endpoint.host).await?,
            Transport::TlsWithAuthority { pem } => self.own_trust(&endpoint.host, pem)?,
        };
        let config = match only {
            Some(protocol) => speaking(&config, protocol),
            None => config,
        };
        let stream = prove(config, &endpoint.host, stream).await?;
        // RFC 9113 §3.2: what the server picked of the two that were offered.
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((Either::Right(stream), protocol))
    }

    /// Opens a connection to `endpoint` that the client's own bytes go over.
    ///
    /// # Errors
    /// As for [`Dialer::dial`].
    pub(crate) async fn reach(
        &self,
        connection: &Connection,
        endpoint: &Endpoint,
    ) -> Result<TcpStream, Failure> {
        let addresses = match connection.pin {
            Some(pinned) => vec![pinned],
            None => checked(&endpoint.host, resolve(endpoint).await?)?,
        };
        connect(&endpoint.host, &addresses).await
    }

    /// Drives a connection in a task of its own until it ends, or must.
    fn drive(
        &self,
        driver: impl Future<Output = hyper::Result<()>> + Send + 'static,
        ends: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = ends => {}
                // Whoever waits for an answer is told of an error.
                _ended = driver => {}
            }
        });
    }

    async fn system_trust(&self, host: &str) -> Result<Arc<ClientConfig>, Failure> {
        let load = async || {
            let loading = self.tasks.spawn_blocking(rustls_native_certs::load_native_certs);
            let found = loading.await.map(|found| found.certs).unwrap_or_default();
            self.trusting(host, found)
        };
        self.system.get_or_try_init(load).await.map(Arc::clone)
    }

    fn own_trust(&self, host: &str, pem: &str) -> Result<Arc<ClientConfig>, Failure> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        self.trusting(host, found.unwrap_or_default())
    }

    fn trusting(
        &self,
        host: &str,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(untrusted(host, "there is no authority to verify it against"));
        }
        let versions = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| untrusted(host, error))?;
        let mut config = versions.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = [Protocol::Http2, Protocol::Http1].map(Protocol::name).into();
        // One configuration serves every run, and no run goes on with what another one shook hands
        // for: lines are kept instead.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

#[expect(clippy::disallowed_methods, reason = "names are resolved here, and judged right after")]
async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let host = || endpoint.host.clone();
    if let Ok(Host::Address(address)) = Host::parse(&endpoint.host) {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let found = timeout(STEP_TIMEOUT, lookup_host((endpoint.host.as_str(), endpoint.port))).await;
    match found.map_err(|_| Failure::Late { host: host() })? {
        Ok(addresses) => Ok(addresses.collect()),
        Err(_) => Err(Failure::Unresolved { host: host() }),
    }
}

/// The addresses, all of them public. One that is not spoils them all: a name that leads to both
/// an open and a private address is either a mistake or an attack.
fn checked(host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Failure> {
    permitted(host, addresses, Reach::is_public)
}

fn permitted(
    host: &str,
    addresses: Vec<SocketAddr>,
    may: impl Fn(Reach) -> bool,
) -> Result<Vec<SocketAddr>, Failure> {
    let reaches = addresses.iter().map(|address| judge(address.ip()));
    match reaches.into_iter().find(|reach| !may(*reach)) {
        Some(reach) => Err(Failure::Address { host: host.to_owned(), reach }),
        None if addresses.is_empty() => Err(Failure::Unresolved { host: host.to_owned() }),
        None => Ok(addresses),
    }
}

#[expect(clippy::disallowed_methods, reason = "the addresses were judged or pinned")]
async fn connect(host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let trying = async {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses.iter().take(TRIED_MAX) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(Failure::Unreachable { host: host.to_owned(), error: last })
    };
    let late = |_| Failure::Late { host: host.to_owned() };
    let stream = timeout(STEP_TIMEOUT, trying).await.map_err(late)??;
    // Only latency is lost where the system refuses.
    let _prompt = stream.set_nodelay(true);
    Ok(stream)
}

async fn prove(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<ReadAhead<TcpStream>>, Failure> {
    let name = server_name(host).ok_or_else(|| untrusted(host, "its name fits no certificate"))?;
    let shaking = TlsConnector::from(config).connect(name, ReadAhead::new(stream));
    let late = |_| Failure::Late { host: host.to_owned() };
    timeout(STEP_TIMEOUT, shaking).await.map_err(late)?.map_err(|error| untrusted(host, error))
}

fn speaking(config: &ClientConfig, protocol: Protocol) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.name()];
    Arc::new(config)
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    match Host::parse(host).ok()? {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).ok(),
        Host::Address(address) => Some(ServerName::from(address)),
    }
}

fn untrusted(host: &str, reason: impl ToString) -> Failure {
    Failure::Untrusted { host: host.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
