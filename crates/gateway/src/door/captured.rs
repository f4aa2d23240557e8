//! The doors of a captured run: whatever its processes dial, they reach one of these.
//!
//! Owns where a connection leads: the address that was dialled says the host, by the run's own
//! names or by itself. What is spoken is told by the first bytes; TLS and HTTP take the way of
//! every request, and what cannot be served is refused in its own protocol.

mod foreign;
mod opaque;
mod questions;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use marque_wire::host::{Authority, Host};
use marque_wire::{postgres, ssh};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::endpoint;
use super::http::break_off;
use super::tunnel::{self, Tunnel, Way};
use crate::captured::{CapturedRun, Names, is_made_up};
use crate::refuse::Place;
use crate::session::Session;

/// The first byte of TLS (RFC 8446 §5.1): a handshake.
const HANDSHAKE: u8 = 22;
/// Bytes that tell every protocol from the others.
const FIRST_BYTES: usize = 8;
/// Where names are asked for.
const NAMES_PORT: u16 = 53;
/// Where servers say the first word.
const SSH_PORT: u16 = 22;

/// Where a connection leads.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// To the run's own names.
    Names,
    /// Nowhere outside the run, where nobody listened.
    Own,
    /// To a made-up address that no name has.
    Unknown(Ipv4Addr),
    /// There.
    Host(Host),
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Tls,
    Http,
    Ssh,
    Postgres,
}

/// Serves one connection that came in at that port.
pub(crate) async fn serve(
    run: Arc<CapturedRun>,
    session: Session,
    (stream, port): (TcpStream, u16),
) {
    // Only latency is lost where the system refuses.
    let _prompt = stream.set_nodelay(true);
    let session = Arc::new(session);
    let Ok(dialled) = stream.local_addr() else { return };
    let destination = destination(seen(dialled.ip()), port, &run.names());
    let host = match destination {
        Destination::Host(host) => host,
        Destination::Names => return questions::serve(&run, &session, stream).await,
        Destination::Own => return break_off(&stream),
        Destination::Unknown(address) => {
            let run = run.live().run;
            tracing::info!(%run, %address, port, "an address that no name of the run has");
            return break_off(&stream);
        }
    };
    let speech = match port {
        SSH_PORT => Some(Speech::Ssh),
        _ => listen_for(&session, &stream).await,
    };
    let Some(speech) = speech else { return };
    let authority = Authority { host, port };
    let scheme = match speech {
        Speech::Tls => "https",
        Speech::Http => "http",
        Speech::Ssh => "ssh",
        Speech::Postgres => "postgresql",
    };
    let tunnel = Tunnel {
        endpoint: endpoint(&authority),
        way: Way { authority, place: Place::Captured, scheme },
        presented: run.presented(),
        live: Arc::clone(run.live()),
    };
    drop(run);
    match speech {
        Speech::Tls => Box::pin(opaque::serve(session, tunnel, stream)).await,
        Speech::Http => Box::pin(tunnel::speak(session, tunnel, stream)).await,
        Speech::Ssh => Box::pin(foreign::refuse_ssh(&session, tunnel, stream)).await,
        Speech::Postgres => Box::pin(foreign::refuse_postgres(&session, tunnel, stream)).await,
    }
}

/// Where a connection to this address and port leads.
fn destination(address: IpAddr, port: u16, names: &Names) -> Destination {
    if port == NAMES_PORT {
        return Destination::Names;
    }
    match address.to_canonical() {
        own if own.is_loopback() || own.is_unspecified() => Destination::Own,
        IpAddr::V4(address) if is_made_up(address) => match names.name_at(address) {
            Some(name) => Destination::Host(Host::Name(name.clone())),
            None => Destination::Unknown(address),
        },
        other => Destination::Host(Host::from(other)),
    }
}

// What the client says first is left where it is, for whoever speaks with it.
async fn listen_for(session: &Session, stream: &TcpStream) -> Option<Speech> {
    let mut first = [0; FIRST_BYTES];
    let size = until_cut(session, stream.peek(&mut first)).await?.ok()?;
    speech(first.get(..size).unwrap_or_default())
}

/// What these first bytes begin; nothing where there are none.
fn speech(first: &[u8]) -> Option<Speech> {
    match first {
        [] => None,
        [HANDSHAKE, ..] => Some(Speech::Tls),
        _ if ssh::is_client(first) => Some(Speech::Ssh),
        _ if matches!(postgres::opening(first), Ok(Some(_))) => Some(Speech::Postgres),
        // What is none of it is told so by the guard of HTTP.
        _ => Some(Speech::Http),
    }
}

/// The same, unless it takes too long, the run is cut or the gateway stops.
async fn until_cut<T>(session: &Session, doing: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = session.cut() => None,
        () = session.shared.shutdown.cancelled() => None,
        done = timeout(session.shared.settings.proof, doing) => done.ok(),
    }
}

#[cfg(not(test))]
fn seen(dialled: IpAddr) -> IpAddr {
    dialled
}

#[cfg(test)]
use tests::seen;

#[cfg(test)]
mod tests;
