//! A connection that leads to one host: the client's TLS ends here, under a leaf of its run's own
//! authority.
//!
//! Owns the agreement of CONNECT, or of the address a captured run dialled, with SNI and `Host`
//! (threats 75 and 78). The run and the host are fixed before; each request inside is a decision
//! of its own.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{EXPECT, HOST};
use ::http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use marque_domain::Endpoint;
use marque_plane::{LiveRun, Presented};
use marque_wire::host::{Authority, DnsName, Host};
use marque_wire::http1::RequestGuard;
use marque_wire::path::Path;
use marque_wire::target::RequestTarget;
use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::http::{Socket, serve};
use super::switch::{self, Manner, Switch, can_switch};
use super::{Reply, h2};
use crate::body::Upload;
use crate::client_hello::{self, Tap};
use crate::guarded::Guarded;
use crate::pipeline::{self, Exchange, Forwarded};
use crate::read_ahead::ReadAhead;
use crate::refuse::{Notice, Place, Stop};
use crate::relay::Cut;
use crate::session::Session;

/// How long the client's half of the handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that wait as records of TLS: room for what leaves together, so that it
/// leaves in one system call.
const RECORDS_MAX_BYTES: usize = 128 * 1024;
/// RFC 8446 §6.2: the name asked for is not served here.
const UNRECOGNIZED_NAME: u8 = 112;
/// RFC 8446 §6.2: somebody decided not to go on.
const ACCESS_DENIED: u8 = 49;

/// What is fixed before the first request: by a CONNECT, or by the door of a captured run.
pub(super) struct Tunnel {
    pub(super) way: Way,
    pub(super) endpoint: Endpoint,
    pub(super) presented: Presented,
    pub(super) live: Arc<LiveRun>,
}

/// Where a connection leads, and how.
pub(super) struct Way {
    pub(super) authority: Authority,
    /// Where the client stands.
    pub(super) place: Place,
    /// `https` or `http`, as the client speaks it.
    pub(super) scheme: &'static str,
}

/// A client's hello for the host its connection leads to. Nothing was answered yet.
pub(super) struct Greeted {
    accepted: Accepted,
    /// All that was read of the client, as it came.
    pub(super) hello: Vec<u8>,
    pub(super) stream: ReadAhead<TcpStream>,
}

/// Serves the requests inside a tunnel.
pub(super) async fn intercept(session: Arc<Session>, tunnel: Tunnel, stream: TcpStream) {
    if let Some(greeted) = greet(&tunnel, stream).await {
        Box::pin(intercept_from(session, tunnel, greeted)).await;
    }
}

/// Serves the requests of a client whose hello was read.
pub(super) async fn intercept_from(session: Arc<Session>, tunnel: Tunnel, greeted: Greeted) {
    let shaken = timeout(HANDSHAKE_TIMEOUT, shake(&session, &tunnel, greeted)).await;
    let Ok(Some(mut stream)) = shaken else { return };
    stream.get_mut().1.set_buffer_limit(Some(RECORDS_MAX_BYTES));
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let inside = Arc::new(Inside { session: Arc::clone(&session), tunnel, switch: None });
        let answer = move |request| Arc::clone(&inside).answer(request);
        return h2::serve(stream, &session, answer).await;
    }
    Box::pin(speak(session, tunnel, stream)).await;
}

/// Serves requests of HTTP/1.1, whatever protects them.
pub(super) async fn speak<IO: Socket>(session: Arc<Session>, tunnel: Tunnel, stream: IO) {
    let io = Guarded::new(stream, RequestGuard::new(), session.shared.settings.silence);
    let switch = Arc::new(Switch::new(io.guard()));
    let with = Some(Arc::clone(&switch));
    let inside = Arc::new(Inside { session: Arc::clone(&session), tunnel, switch: with });
    let answer = move |request| Arc::clone(&inside).answer(request);
    if let Some(rest) = serve(io, &session, answer).await {
        Box::pin(switch.finish(&session, rest)).await;
    }
}

/// Reads the client's hello; `None` where there is none in time, or it asks for another host than
/// the connection leads to.
pub(super) async fn greet(tunnel: &Tunnel, stream: TcpStream) -> Option<Greeted> {
    let begun = LazyConfigAcceptor::new(Acceptor::default(), Tap::new(ReadAhead::new(stream)));
    let begun = timeout(HANDSHAKE_TIMEOUT, begun).await.ok()?;
    let StartHandshake { accepted, io, .. } = begun.ok()?;
    let (hello, mut stream) = io.into_parts();
    let host = &tunnel.way.authority.host;
    let name = accepted.client_hello().server_name().map(str::to_owned);
    if let Err(alert) = agree(host, name.as_deref(), client_hello::is_encrypted(&hello)) {
        tracing::info!(run = %tunnel.live.run, %host, alert, "a tunnel's TLS was refused");
        // A fatal alert in a record of its own (RFC 8446 §6).
        let _told = stream.write_all(&[21, 3, 3, 0, 2, 2, alert]).await;
        return None;
    }
    Some(Greeted { accepted, hello, stream })
}

// Ends the client's TLS.
async fn shake(
    session: &Session,
    tunnel: &Tunnel,
    Greeted { accepted, stream, .. }: Greeted,
) -> Option<TlsStream<ReadAhead<TcpStream>>> {
    let host = &tunnel.way.authority.host;
    let now = session.shared.plane.clock().now();
    let config = session.shared.leaves.config(&tunnel.live, host, now);
    let config = config.inspect_err(|error| tracing::warn!(%error, "no leaf for a tunnel")).ok()?;
    StartHandshake::from_parts(accepted, stream).into_stream(config).await.ok()
}

/// Whether the client's hello is for the host of its CONNECT; if not, the alert it gets.
fn agree(host: &Host, name: Option<&str>, is_encrypted: Option<bool>) -> Result<(), u8> {
    // What a hidden name would lead to is nobody's to decide on.
    if is_encrypted != Some(false) {
        return Err(ACCESS_DENIED);
    }
    let agrees = match (host, name) {
        (Host::Name(host), Some(name)) => DnsName::parse(name).is_ok_and(|name| name == *host),
        // RFC 6066 §3: an address is never sent as a name.
        (Host::Address(_), None) => true,
        (Host::Name(_), None) | (Host::Address(_), Some(_)) => false,
    };
    if agrees { Ok(()) } else { Err(UNRECOGNIZED_NAME) }
}

struct Inside {
    session: Arc<Session>,
    tunnel: Tunnel,
    /// Out of HTTP/1.1; there is no way out of HTTP/2.
    switch: Option<Arc<Switch>>,
}

impl Inside {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        let manner = Manner::of(&request);
        let forwarded = self.forward(request).await;
        switch::answer(&self.session, forwarded, manner, self.switch.as_deref())
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Forwarded, Stop> {
        let (head, body) = request.into_parts();
        let target = head.uri.to_string();
        let path = inner_path(&self.tunnel.way, &head.method, &target, &head.headers);
        let path = match path {
            Ok(path) => path,
            Err(notice) => {
                let waits = head.headers.contains_key(EXPECT);
                return Err(Stop::beside(notice, Upload::new(body, waits)));
            }
        };
        let exchange = Exchange {
            presented: self.tunnel.presented.duplicate(),
            place: self.tunnel.way.place,
            scheme: self.tunnel.way.scheme,
            endpoint: self.tunnel.endpoint.clone(),
            over: None,
            method: head.method,
            path,
            headers: head.headers,
            body,
            can_switch: self.switch.is_some() && can_switch(head.version),
        };
        pipeline::forward(&self.session, exchange).await
    }
}

/// The path of a request on a connection that leads to `authority`, which its `Host` must name.
fn inner_path(
    way: &Way,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
) -> Result<Path, Notice> {
    let Way { authority, place, scheme } = way;
    let word = if *place == Place::Captured { "connection" } else { "tunnel" };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let default_port = if *scheme == "https" { 443 } else { 80 };
    let named = host.and_then(|host| Authority::parse_or(host, default_port).ok());
    if named.as_ref() != Some(authority) {
        let message = format!("this {word} leads to `{authority}`, and `host` names another");
        return Err(Notice::misdirected(message, *place));
    }
    match RequestTarget::parse(method, target) {
        Ok(RequestTarget::Origin(path)) => Ok(path),
        Ok(_) => {
            let message = format!("a request in the {word} to `{authority}` names only its path");
            Err(Notice::misdirected(message, *place))
        }
        Err(bad) => Err(Notice::malformed(
            "target",
            bad.to_string(),
            "send the path exactly as the upstream knows it",
        )),
    }
}

#[cfg(test)]
mod tests;
