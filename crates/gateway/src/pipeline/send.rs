//! Sending one allowed request, and passing its answer back.
//!
//! Owns which line it goes over and where the credential is set. Never sends twice what may have
//! been read.

use std::sync::Arc;

use ::http::{Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use marque_crypto::SystemRandom;
use marque_crypto::random::bytes;
use marque_domain::{Answers, Connection, Endpoint, Outcome, Revised};
use marque_plane::{Injection, LiveRun};
use marque_wire::websocket::{Asked, Opening};

use super::Call;
use crate::clean::{Cleaner, Coming};
use crate::dial::{Key, Protocol, Unanswered, Upstream};
use crate::failure::Failure;
use crate::headers;
use crate::refuse::{Notice, Stop};
use crate::relay::{Act, Relay};
use crate::scrub::Needles;
use crate::session::Session;

/// Over what a request goes, and for whom.
pub(super) struct Way {
    pub(super) key: Key,
    pub(super) run: Arc<LiveRun>,
    pub(super) connection: Arc<Revised<Connection>>,
}

/// An answer whose body is still to come.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) line: Upstream,
    is_head: bool,
    /// What must not come back with it.
    pub(super) needles: Arc<Needles>,
    /// The WebSocket the client asked for, and we for it.
    pub(super) opening: Option<(Opening, Asked)>,
}

/// Sends a request over a kept line or a new one, and waits for the head of its answer.
pub(super) async fn send(
    session: &Session,
    way: &Way,
    injection: Option<Injection>,
    call: Call,
) -> Result<Answered, Failure> {
    let Call { method, target, scheme, endpoint, headers: mut fields, body, opening } = call;
    let shared = &session.shared;
    // ORDER: noted before it is sent: no answer comes before what it must not hold is known.
    let needles = shared.injected.note(&way.run, injection.as_ref());
    let is_head = method == Method::HEAD;
    headers::address(&mut fields, scheme, &endpoint, injection)
        .ok_or_else(|| Failure::Unsendable { connection: way.connection.fact.name.to_string() })?;
    let opening = opening.map(|opening| {
        let asked = opening.ask(bytes(&SystemRandom), &mut fields);
        (opening, asked)
    });
    // What may leave HTTP goes over a line of its own.
    let only = opening.as_ref().map(|_| Protocol::Http1);
    let answered = |response, line| Answered { response, line, is_head, needles, opening };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = fields;
    if only.is_none()
        && let Some(mut kept) = shared.pool.take(&way.run, &way.key).await
    {
        match kept.send(request).await {
            Ok(response) => return Ok(answered(response, kept)),
            // The upstream ended a line nobody had used for a while: another one is opened.
            Err(Unanswered::Unsent(unsent, _)) => request = *unsent,
            Err(Unanswered::Failed(failure)) => return Err(failure),
        }
    }
    let mut upstream = Box::pin(open(session, way, (&endpoint, only))).await?;
    match upstream.send(request).await {
        Ok(response) => Ok(answered(response, upstream)),
        Err(Unanswered::Unsent(_, failure) | Unanswered::Failed(failure)) => Err(failure),
    }
}

// A new line to the upstream.
async fn open(
    session: &Session,
    way: &Way,
    (endpoint, only): (&Endpoint, Option<Protocol>),
) -> Result<Upstream, Failure> {
    let shared = &session.shared;
    let line = shared.dialer.dial(&way.connection.fact, endpoint, only).await?;
    let whose = (way.key.clone(), Arc::clone(&way.run));
    let upstream = Upstream::open(&shared.dialer, whose, line).await?;
    // Others may share it from now on, where its protocol carries many at once.
    if let Some(shared_line) = upstream.share() {
        shared.pool.keep(&way.run, shared_line);
    }
    Ok(upstream)
}

/// The answer on its way to the client, without what must not come back.
///
/// Redirects are passed back as they are: the client's next request is its own decision, and goes
/// without a credential wherever no connection serves it (threats 79 and 120).
pub(super) async fn relayed(
    answered: Answered,
    (answers, is_batch): (&Answers, bool),
    mut act: Act,
) -> Result<Response<Relay>, Stop> {
    let (mut head, body) = answered.response.into_parts();
    headers::strip_response(&mut head.headers);
    // RFC 9110 §6.4.1: whose answers have no body, whatever their fields say of one.
    let is_bodiless = matches!(head.status.as_u16(), 100..=199 | 204 | 304) || answered.is_head;
    let coming = Coming {
        status: head.status,
        has_body: !is_bodiless && !body.is_end_stream() && body.size_hint().exact() != Some(0),
        is_read: is_batch && head.status.is_success(),
    };
    let mut cleaner = Cleaner::new(answered.needles, answers.on_echo);
    let cleaned = cleaner.clean_head(&mut head.headers, &answers.passes, coming);
    act.found(cleaner.found());
    if let Err(unclean) = cleaned {
        act.end(Outcome::Failed { code: unclean.code().to_owned() });
        return Err(Notice::failed(&Failure::Unclean(unclean)).into());
    }
    let relay = Relay::new(body, (coming, answered.line), (act, cleaner));
    let relay = if coming.is_read { relay.rewritten(&mut head.headers).await? } else { relay };
    let mut relayed = Response::new(relay);
    *relayed.status_mut() = head.status;
    *relayed.headers_mut() = head.headers;
    Ok(relayed)
}
