//! The reverse door: `/c/CONNECTION/…` for whoever presents a token of ours (RFC 6750, RFC 9449,
//! RFC 8705), over HTTP/1.1 and HTTP/2.
//!
//! Owns what proves a request here and where it leads: to the first host of the connection that the
//! address names. Each request proves itself, so a connection carries those of several runs; what
//! follows is the way of every request. No other protocol leaves it: a WebSocket would need a proof
//! for each message.

mod base;
mod challenge;
mod target;
mod token;

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPECT};
use ::http::request::Parts;
use ::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use marque_domain::{Code, Connection, Endpoint, Name, Refusal, Revised};
use marque_plane::oauth::{TokenAtDoor, step_up_of};
use marque_plane::{LiveRun, Presented};
use marque_wire::http1::RequestGuard;
use marque_wire::oauth::{BadProof, ErrorCode, single_proof};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::base::Base;
use self::challenge::Tone;
use self::target::{Called, Target};
use super::http::{Socket, close, serve as serve_http};
use super::switch::{self, Manner};
use super::{Reply, h2};
use crate::body::Upload;
use crate::gateway::{ReverseSettings, ServeError};
use crate::guarded::Guarded;
use crate::pipeline::{self, Exchange, Forwarded};
use crate::read_ahead::ReadAhead;
use crate::recognise;
use crate::refuse::{Notice, Place, Stop};
use crate::relay::Cut;
use crate::session::Session;

/// How long the client's half of the handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that wait as records of TLS.
const RECORDS_MAX_BYTES: usize = 128 * 1024;
/// How long anybody may keep what a connection asks of its callers.
const METADATA_CACHE: &str = "public, max-age=300";

/// What every connection at the door has in common.
pub(crate) struct Reverse {
    base: Base,
    tls: Option<TlsAcceptor>,
}

impl Reverse {
    /// A door that is set up so.
    ///
    /// # Errors
    /// [`ServeError::BadBase`].
    pub(crate) fn new(settings: ReverseSettings) -> Result<Self, ServeError> {
        let base = Base::parse(&settings.base);
        let base = base.ok_or(ServeError::BadBase(settings.base))?;
        let tls = settings.tls.map(|tls| {
            let mut tls = ServerConfig::clone(&tls);
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            TlsAcceptor::from(Arc::new(tls))
        });
        Ok(Self { base, tls })
    }
}

/// Serves one client.
pub(crate) async fn serve(session: Arc<Session>, door: Arc<Reverse>, stream: TcpStream) {
    // Only latency is lost where the system refuses.
    let _prompt = stream.set_nodelay(true);
    let Some(tls) = &door.tls else {
        let line = Line { door, certificate: None, is_for_us: true, session };
        return Box::pin(line.speak(stream)).await;
    };
    let shaken = tokio::select! {
        biased;
        () = session.cut() => return,
        shaken = timeout(HANDSHAKE_TIMEOUT, tls.accept(ReadAhead::new(stream))) => shaken,
    };
    let Ok(Ok(mut stream)) = shaken else { return };
    stream.get_mut().1.set_buffer_limit(Some(RECORDS_MAX_BYTES));
    let line = Line::of(session, door, &stream);
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let (session, line) = (Arc::clone(&line.session), Arc::new(line));
        let answer = move |request| Arc::clone(&line).answer(request);
        return h2::serve(stream, &session, answer).await;
    }
    Box::pin(line.speak(stream)).await;
}

/// One client's connection.
struct Line {
    session: Arc<Session>,
    door: Arc<Reverse>,
    /// Which it showed, and holds the key of.
    certificate: Option<CertificateDer<'static>>,
    /// Whether it asked for this server, as far as it said (threat 78).
    is_for_us: bool,
}

impl Line {
    fn of<IO>(session: Arc<Session>, door: Arc<Reverse>, stream: &TlsStream<IO>) -> Self {
        let (_, tls) = stream.get_ref();
        let shown = tls.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|shown| shown.clone().into_owned());
        let is_for_us = tls.server_name().is_none_or(|name| door.base.is_called(name));
        Self { session, door, certificate, is_for_us }
    }

    async fn speak<IO: Socket>(self, stream: IO) {
        let session = Arc::clone(&self.session);
        let io = Guarded::new(stream, RequestGuard::new(), session.shared.settings.silence);
        let line = Arc::new(self);
        let answer = move |request| Arc::clone(&line).answer(request);
        if let Some(rest) = serve_http(io, &session, answer).await {
            close(rest.into_io(), &session).await;
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        let manner = Manner::of(&request);
        let mut tone = Tone::default();
        let forwarded = self.forward(request, &mut tone).await;
        if let Err(Stop::Told(notice, _)) = &forwarded {
            tone.hear(notice);
        }
        let is_passed_on = forwarded.is_ok();
        let mut answer = switch::answer(&self.session, forwarded, manner, None)?;
        tone.set(&mut answer, is_passed_on, &self.session.shared.plane);
        Ok(answer)
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        tone: &mut Tone,
    ) -> Result<Forwarded, Stop> {
        let (mut head, body) = request.into_parts();
        let waits = head.headers.contains_key(EXPECT);
        let (called, found) = match self.prove(&head, tone).await {
            Ok(Asked::Call(called, found)) => (called, found),
            Ok(Asked::Metadata(answer)) => return Err(Stop::Answered(Box::new(answer))),
            Err(notice) => return Err(Stop::beside(notice, Upload::new(body, waits))),
        };
        let Found { presented, live, connection, endpoint } = found;
        if live.is_cancelled() {
            // The run is over, and the road has the words for that.
            let (whose, scheme) = ((presented, Place::Reverse), connection.fact.transport.scheme());
            let asked = (scheme, &endpoint);
            let notice = pipeline::refuse_opaque(&self.session, whose, asked).await;
            return Err(Stop::beside(notice, Upload::new(body, waits)));
        }
        let own = match self.session.carry(&live, presented.rests_on()) {
            Ok(own) => Arc::new(own),
            Err(notice) => return Err(Stop::beside(notice, Upload::new(body, waits))),
        };
        // The client's own authorization is stripped of every request; its proof is this door's.
        head.headers.remove(token::PROOF);
        let exchange = Exchange {
            presented,
            place: Place::Reverse,
            scheme: connection.fact.transport.scheme(),
            endpoint,
            over: Some(connection.fact.id),
            method: head.method,
            path: called.path,
            headers: head.headers,
            body,
            can_switch: false,
        };
        // The connection goes on where the run of one request ends.
        tokio::select! {
            biased;
            () = own.cut() => Err(Stop::Cut),
            forwarded = Box::pin(pipeline::forward(&own, exchange)) => forwarded,
        }
    }

    /// What is asked for, and by whom.
    async fn prove(&self, head: &Parts, tone: &mut Tone) -> Result<Asked, Notice> {
        if !self.is_for_us || !self.door.base.is_named_by(&head.headers) {
            let message = "this server is not the one that `host` or the TLS handshake names";
            return Err(Notice::misdirected(message, Place::Reverse));
        }
        let called = match target::read(&self.door.base, &head.method, &head.uri.to_string())? {
            Target::Call(called) => called,
            Target::Metadata(name) => return self.metadata(&name).map(Asked::Metadata),
        };
        tone.is_at(self.door.base.metadata_of(&called.name));
        let token = token::read(&head.headers, called.path.query());
        let token = token.map_err(|bad| {
            tone.fails(ErrorCode::InvalidRequest);
            bad.notice()
        })?;
        let Some(token) = token else {
            let refusal = Refusal::new(
                Code::CallerMissing,
                "the request has no token",
                "ask for one at the token endpoint, for this address as `resource`",
            );
            return Err(self.turn_away(&called, refusal).await);
        };
        tone.came(token.is_dpop);
        let proof = match single_proof(&head.headers) {
            Ok(proof) => Ok(Some(proof)),
            Err(BadProof::Missing) => Ok(None),
            Err(bad) => Err(bad),
        };
        let at = TokenAtDoor {
            token: token.secret,
            is_dpop: token.is_dpop,
            proof,
            certificate: self.certificate.as_deref(),
            connection: &called.name,
            method: head.method.as_str(),
            url: &called.url,
        };
        match self.find(&at).await {
            Ok(found) => Ok(Asked::Call(called, found)),
            Err((error, refusal)) => {
                tone.fails(error);
                if error == ErrorCode::InsufficientUserAuthentication {
                    let behind = self.session.shared.plane.connection_behind(&called.name);
                    tone.wants(behind.and_then(|behind| step_up_of(&behind.fact)));
                }
                Err(self.turn_away(&called, refusal).await)
            }
        }
    }

    async fn find(&self, at: &TokenAtDoor<'_>) -> Result<Found, (ErrorCode, Refusal)> {
        let plane = &self.session.shared.plane;
        let presented = plane.meet_token(at).await?;
        let gone = |refusal| (ErrorCode::InvalidToken, refusal);
        let live = plane.caller(&presented).map_err(gone)?;
        let behind = plane.connection_behind(at.connection).and_then(|connection| {
            let endpoint = connection.fact.hosts.first().cloned()?;
            Some((connection, endpoint))
        });
        let (connection, endpoint) = behind.ok_or_else(|| {
            let remedy = "ask for another token at the token endpoint";
            gone(Refusal::new(Code::CallerProof, "the token is not for this connection", remedy))
        })?;
        Ok(Found { presented, live, connection, endpoint })
    }

    // Whether there is such a connection makes no difference to what is told.
    async fn turn_away(&self, called: &Called, refusal: Refusal) -> Notice {
        let plane = &self.session.shared.plane;
        let (scheme, own) = self.door.base.endpoint();
        let mut operation = recognise::connect(scheme, &own);
        if let Some(connection) = plane.connection_behind(&called.name)
            && let Some(host) = connection.fact.hosts.first()
        {
            operation = recognise::connect(connection.fact.transport.scheme(), host);
            operation.over = Some(connection.fact.id);
        }
        Notice::refused(plane.turn_away(&operation, refusal).await, Place::Reverse)
    }

    // RFC 9728 §3. Says nothing that is not said to everybody.
    fn metadata(&self, name: &Name) -> Result<Response<Full<Bytes>>, Notice> {
        let found = self.session.shared.plane.resource_metadata(name);
        let text = found.and_then(|found| serde_json::to_vec(&found).ok());
        let mut answer = Response::new(Full::new(text.ok_or_else(Notice::nowhere)?.into()));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(METADATA_CACHE));
        Ok(answer)
    }
}

/// What a request is.
enum Asked {
    /// A call by somebody proven.
    Call(Called, Found),
    /// A question that anybody may ask.
    Metadata(Response<Full<Bytes>>),
}

/// Who asks, and over what.
struct Found {
    presented: Presented,
    live: Arc<LiveRun>,
    connection: Arc<Revised<Connection>>,
    /// Its first host.
    endpoint: Endpoint,
}
