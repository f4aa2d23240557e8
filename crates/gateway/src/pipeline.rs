//! The way of one request: recognise, read, decide, open, dial, inject, relay, outcome.
//!
//! Reads from top to bottom; each step is a file of its own. Nothing is sent before the road said
//! yes, and what is sent is what it said yes to.

mod intake;
mod send;
mod switch;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use ::http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use marque_domain::{Body, Code, Connection, Endpoint, Id, Outcome, Refusal, Service};
use marque_plane::{Ask, Opened, Plane, Presented, Preview, broker};
use marque_wire::path::Path;

use self::intake::{Call, Understood};
use self::send::Way;
use crate::dial::Key;
use crate::recognise;
use crate::refuse::{Notice, Place, Stop};
use crate::relay::{Act, Relay};
use crate::session::Session;
use crate::socket::{Asker, Socket};
use crate::voice::Voice;

/// A request as a door took it in.
pub(crate) struct Exchange {
    /// What proves who asks.
    pub(crate) presented: Presented,
    /// Where the client stands.
    pub(crate) place: Place,
    /// `https` or `http`, as the client speaks it.
    pub(crate) scheme: &'static str,
    /// Where it is for.
    pub(crate) endpoint: Endpoint,
    /// The one connection it may go over, where its address names one.
    pub(crate) over: Option<Id<Connection>>,
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
    /// Whether the client's connection can be taken out of HTTP.
    pub(crate) can_switch: bool,
}

/// What came of a request.
pub(crate) enum Forwarded {
    /// An answer.
    Answered(Box<Response<Relay>>),
    /// The head of a 101, and the WebSocket that follows it.
    Switched(Response<()>, Box<Socket>),
}

/// What a request that was asked for still needs.
struct Asked {
    voice: Voice,
    place: Place,
    is_batch: bool,
    is_push: bool,
    /// Asks for each message, where it is a WebSocket.
    asker: Option<Asker>,
}

/// Takes one request through, and its answer back.
pub(crate) async fn forward(
    session: &Arc<Session>,
    mut exchange: Exchange,
) -> Result<Forwarded, Stop> {
    let plane = &session.shared.plane;
    let presented = std::mem::replace(&mut exchange.presented, Presented::Nothing);
    let (place, over) = (exchange.place, exchange.over);
    let (recognised, mut call) = intake::recognise(plane, exchange)?;
    let understood = intake::understand(session, recognised, &mut call).await?;
    let Some(Understood { mut operation, voice, is_batch }) = understood else {
        // Whoever proves no run gets no body read for them: the road says so.
        return Err(Box::pin(turn_away(session, presented, call, place)).await);
    };

    operation.over = over;
    let announced_bytes = call.body.announced_bytes();
    let mut ask = Ask { presented, operation, announced_bytes };
    if ask.operation.body == Body::Streamed
        && plane.preview(&ask) == Preview::WouldHold
        && let Some(place) = session.place()
    {
        // A human must see what would be sent, so all of it is read now; what is too long for
        // that stays a stream, which the road never holds but refuses.
        ask.operation.body = Box::pin(call.body.read_whole(place)).await?;
    }

    let asker = match (&call.opening, session.place()) {
        (Some(_), Some(place)) => Some(Asker::new(&ask, place.of_socket()?)),
        _ => None,
    };
    let operation = &ask.operation;
    let is_opaque = operation.service == Service::Net;
    let is_push = operation.service == Service::Git && operation.name.starts_with("git.");
    match decide(session, ask).await {
        // Allowed unseen is not allowed as read: nobody has words for what was read.
        Ok(opened) if is_opaque => Err(Stop::beside(opaque(session, opened), call.body)),
        Ok(opened) => {
            let asked = Asked { voice, place, is_batch, is_push, asker };
            act(session, opened, call, asked).await
        }
        Err(refusal) => {
            call.body.drain(matches!(voice, Voice::Push { .. })).await;
            let notice = Notice::refused(refusal, place).in_voice(voice);
            Err(Stop::beside(notice, call.body))
        }
    }
}

/// Does what was allowed.
async fn act(
    session: &Arc<Session>,
    opened: Opened,
    mut call: Call,
    asked: Asked,
) -> Result<Forwarded, Stop> {
    let Asked { voice, place, is_batch, is_push, asker } = asked;
    let run = Arc::clone(opened.lease.live());
    let progress = call.body.progress();
    call.body.spend_from(opened.lease.allowance());
    if is_push && let Some(looker) = session.shared.plane.push_looker(&run) {
        call.body.look_with(looker);
    }
    let mut act = Act::new(session, opened.lease, Arc::clone(&progress));
    let way = Way {
        key: Key::new(&opened.connection, opened.credential, &call.endpoint),
        run,
        connection: opened.connection,
    };
    let answered = tokio::select! {
        biased;
        () = act.cancelled() => {
            act.end(Outcome::Cut);
            return Err(Stop::Cut);
        }
        answered = send::send(session, &way, opened.injection, call) => answered,
    };
    match answered {
        Ok(answered) if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Box::pin(switch::switched(answered, way, asker, act)).await
        }
        Ok(answered) => {
            let answers = &way.connection.fact.answers;
            let relayed = send::relayed(answered, (answers, is_batch), act).await;
            relayed.map(|answer| Forwarded::Answered(Box::new(answer)))
        }
        Err(_) if let Some(unfit) = progress.unfit() => {
            act.end(Outcome::Failed { code: unfit.code().to_owned() });
            Err(unfit.notice(place).in_voice(voice).into())
        }
        Err(_) if act.lost_client() => Err(Stop::Cut),
        Err(failure) => {
            act.end(Outcome::Failed { code: failure.code().to_owned() });
            Err(Notice::failed(&failure).into())
        }
    }
}

/// Whether some connection serves requests of that scheme there.
pub(crate) fn is_served(plane: &Plane, endpoint: &Endpoint, scheme: &str) -> bool {
    plane.connections_at(endpoint).iter().any(|found| found.fact.transport.scheme() == scheme)
}

/// A permit for bytes of TLS that nobody reads. `None` where a connection would read them, or none
/// is for that; then, and where the road says no, the client is told inside its TLS.
pub(crate) async fn permit_opaque(
    session: &Arc<Session>,
    presented: Presented,
    endpoint: &Endpoint,
) -> Option<Opened> {
    let plane = &session.shared.plane;
    let mut serving = plane.connections_at(endpoint);
    serving.retain(|found| found.fact.transport.scheme() == "https");
    if serving.is_empty() || serving.iter().any(|found| found.fact.service != Service::Net) {
        return None;
    }
    let operation = recognise::connect("https", endpoint);
    let ask = Ask { presented, operation, announced_bytes: 0 };
    // What is refused is recorded once, by the request that is told so.
    if matches!(plane.preview(&ask), Preview::WouldRefuse(_)) {
        return None;
    }
    decide(session, ask).await.ok()
}

/// Asks the road for bytes to a host that nobody reads, and says why there are none.
pub(crate) async fn refuse_opaque(
    session: &Arc<Session>,
    (presented, place): (Presented, Place),
    (scheme, endpoint): (&str, &Endpoint),
) -> Notice {
    let operation = recognise::connect(scheme, endpoint);
    match decide(session, Ask { presented, operation, announced_bytes: 0 }).await {
        Err(refusal) => Notice::refused(refusal, place),
        Ok(opened) => opaque(session, opened),
    }
}

// Nothing that could be allowed is asked for: a connection to the host, contents unseen.
async fn turn_away(session: &Arc<Session>, presented: Presented, call: Call, place: Place) -> Stop {
    let whose = (presented, place);
    let notice = refuse_opaque(session, whose, (call.scheme, &call.endpoint)).await;
    Stop::beside(notice, call.body)
}

fn opaque(session: &Arc<Session>, opened: Opened) -> Notice {
    let mut act = Act::new(session, opened.lease, Arc::default());
    act.end(Outcome::Failed { code: "failed.opaque".to_owned() });
    Notice::opaque()
}

// At once, or else in a task of its own: a permit that was given is always redeemed, so that its
// intent gets an outcome even if the client is gone by then (threat 94).
pub(crate) async fn decide(session: &Session, ask: Ask) -> Result<Opened, Refusal> {
    let plane = session.shared.plane.clone();
    let mut deciding = Box::pin(async move {
        let permit = plane.decide(ask).await?;
        broker::open(&plane, permit)
    });
    let decided = match poll_fn(|cx| Poll::Ready(deciding.as_mut().poll(cx))).await {
        Poll::Ready(decided) => Ok(decided),
        Poll::Pending => session.shared.tasks.spawn(deciding).await,
    };
    let opened = decided.unwrap_or_else(|_| {
        Err(Refusal::new(
            Code::LogUnavailable,
            "the decision broke off, so nothing is allowed",
            "look at the server's output",
        ))
    })?;
    // ORDER: before anything is sent, as what is injected now.
    let live = opened.lease.live();
    for given in live.searched() {
        let _needles = session.shared.injected.note(live, Some(given));
    }
    Ok(opened)
}
