//! Taking a request in: what will be sent on of it, and what that means.
//!
//! Strips first and recognises what is left, so that what is decided is what is sent. Asks nobody
//! whether it may be.

use std::sync::Arc;

use ::http::header::{ACCEPT_ENCODING, EXPECT};
use ::http::{HeaderMap, HeaderValue, Method, Uri};
use marque_domain::{Connection, Endpoint, Id, Operation, Service};
use marque_plane::Plane;
use marque_wire::path::Path;
use marque_wire::websocket::Opening;

use super::Exchange;
use crate::body::Upload;
use crate::headers;
use crate::recognise::{self, Learned, Meaning, Recognised, Seen};
use crate::refuse::{Notice, Stop};
use crate::session::Session;
use crate::voice::Voice;

/// What will be sent, once it may be.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) scheme: &'static str,
    pub(super) endpoint: Endpoint,
    pub(super) headers: HeaderMap,
    pub(super) body: Upload,
    /// The WebSocket it asks for.
    pub(super) opening: Option<Opening>,
}

/// A request whose meaning is known.
pub(super) struct Understood {
    pub(super) operation: Operation,
    /// How the client reads a no.
    pub(super) voice: Voice,
    /// Whether the answer names places for further requests.
    pub(super) is_batch: bool,
}

/// Strips the head to what will be sent on, and only then says what it means.
pub(super) fn recognise(plane: &Plane, exchange: Exchange) -> Result<(Recognised, Call), Stop> {
    let Exchange { scheme, endpoint, over, method, path, headers, body, can_switch, .. } = exchange;
    let body = Upload::new(body, headers.contains_key(EXPECT));
    let target = Uri::default();
    let mut call = Call { method, target, scheme, endpoint, headers, body, opening: None };
    let read = read_opening(&mut call, can_switch)
        .and_then(|()| read_head(plane, (&path, over), &mut call));
    match read {
        Ok(recognised) => Ok((recognised, call)),
        Err(notice) => Err(Stop::beside(notice, call.body)),
    }
}

// Threat 90: of all protocols a request may ask for, one is read here, and only where the client's
// connection can be taken out of HTTP.
fn read_opening(call: &mut Call, can_switch: bool) -> Result<(), Notice> {
    if !headers::asks_upgrade(&call.headers) {
        return Ok(());
    }
    if !can_switch {
        return Err(Notice::upgrade());
    }
    let opening = Opening::read(&call.method, &call.headers, !call.body.is_empty());
    let opening = opening.map_err(Notice::bad_opening)?;
    opening.strip(&mut call.headers);
    call.opening = Some(opening);
    Ok(())
}

fn read_head(
    plane: &Plane,
    (path, over): (&Path, Option<Id<Connection>>),
    call: &mut Call,
) -> Result<Recognised, Notice> {
    let Call { method, target, scheme, endpoint, headers, body, opening } = call;
    *target = headers::origin_form(path.as_str()).ok_or_else(|| {
        let message = "the path cannot be sent on as it is";
        Notice::malformed("target", message, "percent-encode what is not plain ASCII")
    })?;
    let mut serving = plane.connections_at(endpoint);
    serving.retain(|found| found.fact.transport.scheme() == *scheme);
    headers::strip(headers, serving.iter().filter_map(|found| found.fact.slot.as_ref()));
    serving.retain(|found| over.is_none_or(|over| over == found.fact.id));
    let services: Vec<Service> = serving.iter().map(|found| found.fact.service).collect();
    for recogniser in recognise::among(&services) {
        let (has_body, opens_socket) = (!body.is_empty(), opening.is_some());
        let seen = Seen { method, path, headers, scheme, endpoint, has_body, opens_socket };
        if let Some(recognised) = recogniser.recognise(&seen)? {
            if opens_socket && !recognised.opens_socket() {
                return Err(Notice::upgrade());
            }
            headers::keep_known(headers, |name| recogniser.knows_field(name));
            if recognised.is_batch {
                // Its answer is read and written anew.
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            return Ok(recognised);
        }
    }
    *opening = None;
    // What nobody has a word for is bytes to a host, which the road refuses and records.
    Ok(Recognised::plain(recognise::connect(scheme, endpoint)))
}

/// Reads of the body what must be read to know what the request means; `None` where the
/// connection belongs to no run, for which nothing is read.
pub(super) async fn understand(
    session: &Arc<Session>,
    recognised: Recognised,
    call: &mut Call,
) -> Result<Option<Understood>, Stop> {
    let Recognised { meaning, voice, guard, is_batch } = recognised;
    if let Some(guard) = guard {
        call.body.follow_with(guard);
    }
    let reader = match meaning {
        Meaning::Known(operation) => {
            return Ok(Some(Understood { operation: *operation, voice, is_batch }));
        }
        Meaning::Unread(reader) => reader,
    };
    let Some(place) = session.place() else { return Ok(None) };
    match call.body.read_beginning(reader, place).await? {
        Learned::Operation(operation, voice) => {
            Ok(Some(Understood { operation: *operation, voice, is_batch }))
        }
        Learned::Probe => Err(Stop::Answered(Box::new(Voice::probe_answer()))),
    }
}
