//! The way of one request: recognise, decide, open, dial, inject, relay, outcome.
//!
//! Reads from top to bottom; each step is a file of its own. Nothing is sent before the road said
//! yes, and what is sent is what it said yes to.

use std::sync::Arc;

use ::http::header::EXPECT;
use ::http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use marque_domain::{Body, Code, Connection, Endpoint, Operation, Outcome, Refusal, Service};
use marque_plane::{Ask, Injection, Opened, Plane, Presented, Preview, broker};
use marque_wire::path::Path;

use crate::body::Upload;
use crate::dial::{Key, Upstream};
use crate::failure::Failure;
use crate::headers;
use crate::recognise::{self, Seen};
use crate::refuse::{Notice, Place, Stop};
use crate::relay::{Act, Relay};
use crate::session::Session;

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
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

/// Takes one request through, and its answer back.
pub(crate) async fn forward(
    session: &Arc<Session>,
    exchange: Exchange,
) -> Result<Response<Relay>, Stop> {
    let plane = &session.shared.plane;
    let place = exchange.place;
    let (presented, operation, mut call) = recognise(plane, exchange)?;

    let mut ask = Ask { presented, operation, announced_bytes: 0 };
    if ask.operation.body == Body::Streamed
        && plane.preview(&ask) == Preview::WouldHold
        && let Some(place) = session.place()
    {
        // A human must see what would be sent, so all of it is read now; what is too long for
        // that stays a stream, which the road never holds but refuses.
        ask.operation.body = call.body.read_whole(place).await?;
    }

    let opened = match decide(session, ask).await {
        Ok(opened) => opened,
        Err(refusal) => {
            call.body.drain().await;
            return Err(Notice::refused(refusal, place).into());
        }
    };

    let mut act = Act::new(session, opened.lease, call.body.progress());
    if opened.connection.fact.service != Service::Http {
        act.end(Outcome::Failed { code: "failed.opaque".to_owned() });
        return Err(Notice::opaque().into());
    }
    let key = Key::new(&opened.connection, &call.endpoint);
    let over = (&opened.connection.fact, opened.injection);
    let answered = tokio::select! {
        biased;
        () = act.cancelled() => return Err(Stop::Cut),
        answered = send(session, key, over, call) => answered,
    };
    match answered {
        Ok(response) => Ok(relayed(response, act)),
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

/// Asks the road for a tunnel whose contents nobody reads, and says why there is none.
pub(crate) async fn refuse_tunnel(
    session: &Arc<Session>,
    presented: Presented,
    endpoint: &Endpoint,
) -> Stop {
    let operation = recognise::connect("https", endpoint);
    match decide(session, Ask { presented, operation, announced_bytes: 0 }).await {
        Err(refusal) => Notice::refused(refusal, Place::Proxy).into(),
        Ok(opened) => {
            let mut act = Act::new(session, opened.lease, Arc::default());
            act.end(Outcome::Failed { code: "failed.opaque".to_owned() });
            Notice::opaque().into()
        }
    }
}

/// What will be sent, once it may be.
struct Call {
    method: Method,
    target: Uri,
    scheme: &'static str,
    endpoint: Endpoint,
    headers: HeaderMap,
    body: Upload,
}

// Strips the head to what will be sent on, and only then says what it means.
fn recognise(plane: &Plane, exchange: Exchange) -> Result<(Presented, Operation, Call), Notice> {
    let Exchange { presented, scheme, endpoint, method, path, mut headers, body, .. } = exchange;
    if headers::asks_upgrade(&headers) {
        return Err(Notice::upgrade());
    }
    let Some(target) = headers::origin_form(path.as_str()) else {
        return Err(Notice::malformed(
            "target",
            "the path cannot be sent on as it is",
            "percent-encode what is not plain ASCII",
        ));
    };
    let body = Upload::new(body, headers.contains_key(EXPECT));
    let mut serving = plane.connections_at(&endpoint);
    serving.retain(|found| found.fact.transport.scheme() == scheme);
    headers::strip(&mut headers, serving.iter().filter_map(|found| found.fact.slot.as_ref()));
    let service = serving.first().map_or(Service::Net, |found| found.fact.service);
    let seen = Seen {
        method: &method,
        path: &path,
        headers: &headers,
        scheme,
        endpoint: &endpoint,
        has_body: !body.is_empty(),
    };
    let Some(operation) = recognise::of(service).operation(&seen) else {
        let message = format!("`{method}` means nothing to a `{service}` connection");
        return Err(Notice::malformed("method", message, "use a method of RFC 9110"));
    };
    Ok((presented, operation, Call { method, target, scheme, endpoint, headers, body }))
}

// In a task of its own: a permit that was given is always redeemed, so that its intent gets an
// outcome even if the client is gone by then (threat 94).
async fn decide(session: &Session, ask: Ask) -> Result<Opened, Refusal> {
    let plane = session.shared.plane.clone();
    let deciding = session.shared.tasks.spawn(async move {
        let permit = plane.decide(ask).await?;
        broker::open(&plane, permit)
    });
    deciding.await.unwrap_or_else(|_| {
        Err(Refusal::new(
            Code::LogUnavailable,
            "the decision broke off, so nothing is allowed",
            "look at the server's output",
        ))
    })
}

async fn send(
    session: &Session,
    key: Key,
    (connection, injection): (&Connection, Option<Injection>),
    call: Call,
) -> Result<Response<Incoming>, Failure> {
    let Call { method, target, scheme, endpoint, headers: mut fields, body } = call;
    let mut upstream = if let Some(kept) = session.kept(&key).await {
        kept
    } else {
        let line = session.shared.dialer.dial(connection, &endpoint).await?;
        Upstream::open(&session.shared.dialer, key, line).await?
    };
    headers::address(&mut fields, scheme, &endpoint, injection)
        .ok_or_else(|| Failure::Unsendable { connection: connection.name.to_string() })?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = fields;
    let response = upstream.send(request).await?;
    session.keep(upstream);
    Ok(response)
}

// Redirects are passed back as they are: the client's next request is its own decision, and goes
// without a credential wherever no connection serves it (threat 79).
fn relayed(response: Response<Incoming>, act: Act) -> Response<Relay> {
    let (head, body) = response.into_parts();
    let mut relayed = Response::new(Relay::new(body, head.status, act));
    *relayed.status_mut() = head.status;
    *relayed.headers_mut() = head.headers;
    headers::strip_response(relayed.headers_mut());
    relayed
}
