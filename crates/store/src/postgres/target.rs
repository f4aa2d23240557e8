//! Reaching a server: dialling, proving, and what must hold of it before it is trusted.
//!
//! These are the operator's own servers, named in the configuration; no agent chooses them.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::dialect;
use super::failure::Failed;
use super::line::Line;
use super::socket::{Socket, Stream};
use super::trust::{self, Prove};
use super::url::{DatabaseUrl, Place};
use crate::error::StoreError;

/// How long connecting to one address may take, and each answer until the server knows us.
const CONNECT: Duration = Duration::from_secs(5);
/// Most addresses of one name that are tried.
const TRIED_MAX: usize = 4;
/// When to ask a silent server whether it is there, how often again, and when to give it up.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES: u32 = 3;
const USER_TIMEOUT_MILLIS: u32 = 20_000;

/// A database, ready to be dialled.
pub(crate) struct Target {
    url: DatabaseUrl,
    /// `None` if no server of it has to prove itself.
    tls: Option<Arc<ClientConfig>>,
    allows_loss: bool,
}

impl Target {
    /// Reads the authorities. `allows_loss` also takes a server that does not sync, for tests.
    pub(crate) fn new(url: &DatabaseUrl, allows_loss: bool) -> Result<Self, StoreError> {
        let is_proven = |place: &Place| matches!(place, Place::Tcp { is_proven: true, .. });
        let needs_tls = url.hosts.iter().any(is_proven);
        let tls = needs_tls.then(|| trust::trusting(url.authority.as_deref())).transpose()?;
        Ok(Self { url: url.clone(), tls, allows_loss })
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        self.url.place()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.place().into()
    }

    /// A connection to the first server that is up and a primary, with our settings.
    pub(super) fn connect(&self) -> Result<Line, StoreError> {
        let mut failure = None;
        for place in &self.url.hosts {
            match self.connect_to(place) {
                Ok(line) => return Ok(line),
                Err(error @ StoreError::Unreachable(_)) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| StoreError::Unreachable(self.place())))
    }

    fn connect_to(&self, place: &Place) -> Result<Line, StoreError> {
        let unreachable = |failed: Failed| failed.on_connecting(&place.name());
        let config = self.url.config_for(place)?;
        let socket = dial(place).map_err(|error| unreachable(error.into()))?;
        let proof = self.proof(place)?;
        let mut line = Line::open(socket, proof, &config, CONNECT).map_err(unreachable)?;
        line.script(dialect::SETTINGS, CONNECT).map_err(unreachable)?;
        line.learn(dialect::CONTROL).map_err(unreachable)?;
        self.judge(place, &mut line)?;
        Ok(line)
    }

    fn proof(&self, place: &Place) -> Result<Option<Prove>, StoreError> {
        let Place::Tcp { host, is_proven: true, .. } = place else { return Ok(None) };
        let name = ServerName::try_from(host.clone());
        match (name, &self.tls) {
            (Ok(name), Some(config)) => Ok(Some(Prove { config: Arc::clone(config), name })),
            _ => Err(StoreError::BadUrl("its host is not a name a certificate can bear".into())),
        }
    }

    fn judge(&self, place: &Place, line: &mut Line) -> Result<(), StoreError> {
        let rows = line.ask(dialect::SERVER, &[]).map_err(|f| f.on_connecting(&place.name()))?;
        let row =
            rows.first().ok_or_else(|| StoreError::Engine("the server says nothing".into()))?;
        let cells = super::line::cells(row)?;
        let row = crate::value::Row(&cells);
        let unsafe_server =
            |problem: &str| StoreError::Unsafe { path: self.path(), problem: problem.to_owned() };
        let version = row.whole(0)?;
        if i64::try_from(version).unwrap_or(0) < dialect::OLDEST {
            return Err(unsafe_server("it is older than PostgreSQL 14; upgrade it"));
        }
        if row.whole(1)? != 0 {
            let message = format!("{}: it is a standby, not the primary", place.name());
            return Err(StoreError::Unreachable(message));
        }
        if !self.allows_loss && (row.text(2)? != "on" || row.text(3)? != "on") {
            return Err(unsafe_server(
                "its `fsync` or `full_page_writes` is off, so that a power cut would take what \
                 was answered; turn both on",
            ));
        }
        if row.text(4)? != "UTF8" {
            return Err(unsafe_server("its database is not in UTF-8; create one that is"));
        }
        match row.maybe_text(5)? {
            Some(_) => Ok(()),
            None => Err(StoreError::BadUrl("the schema of its `search_path` is not there".into())),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the operator's database, which no agent chooses")]
fn dial(place: &Place) -> std::io::Result<Socket> {
    let (host, port) = match place {
        Place::Unix { socket } => return Socket::new(Stream::Unix(dial_unix(socket)?)),
        Place::Tcp { host, port, .. } => (host.as_str(), *port),
    };
    let mut failure = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()?.take(TRIED_MAX) {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                sockopt::set_socket_keepalive(&stream, true)?;
                sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
                sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
                sockopt::set_tcp_keepcnt(&stream, KEEPALIVES)?;
                sockopt::set_tcp_user_timeout(&stream, USER_TIMEOUT_MILLIS)?;
                return Socket::new(Stream::Tcp(stream));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Bounded, unlike the standard library's, which waits for as long as the server's queue is full.
fn dial_unix(path: &Path) -> std::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let kind = SocketType::STREAM;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
    sockopt::set_socket_timeout(&socket, Timeout::Send, Some(CONNECT))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}
