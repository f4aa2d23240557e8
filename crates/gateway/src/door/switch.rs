//! Requests that ask for another protocol, and how their connection leaves HTTP.
//!
//! Owns what the guard is told, and the socket until the HTTP library has let go of its connection.
//! A request of that kind is the last one of its connection, however it is answered: what follows
//! it may be meant for the protocol it asked for (threat 90).

use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::{CONNECTION, UPGRADE};
use ::http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::Either;
use marque_wire::http1::RequestGuard;

use super::http::{Rest, Socket as ClientSocket, break_off, close};
use super::{Own, Reply, reply};
use crate::guarded::SharedGuard;
use crate::pipeline::Forwarded;
use crate::refuse::{Stop, Style};
use crate::relay::Cut;
use crate::session::Session;
use crate::socket::Socket;

/// Whether the connection of a request can leave HTTP for what it asks for.
pub(super) fn can_switch(version: Version) -> bool {
    // RFC 9110 §7.8: an older client knows no upgrade.
    version == Version::HTTP_11
}

/// What is to be known of a request to answer it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    style: Style,
    asks_switch: bool,
}

impl Manner {
    /// How that request is answered.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers: &HeaderMap = request.headers();
        Self { style: Style::of(headers), asks_switch: headers.contains_key(UPGRADE) }
    }
}

/// The way out of HTTP for one connection.
pub(super) struct Switch {
    guard: SharedGuard<RequestGuard>,
    socket: Mutex<Option<Box<Socket>>>,
}

impl Switch {
    /// For the connection that guard follows.
    pub(super) fn new(guard: SharedGuard<RequestGuard>) -> Self {
        Self { guard, socket: Mutex::new(None) }
    }

    /// The socket that was opened, once.
    fn take(&self) -> Option<Box<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Passes messages over the connection if a socket was opened on it; ends it in good order.
    pub(super) async fn finish<IO: ClientSocket>(&self, session: &Arc<Session>, rest: Rest<IO>) {
        let Some(socket) = self.take() else { return close(rest.into_io(), session).await };
        let Rest { io, ahead } = rest;
        match socket.talk(session, (io, ahead)).await {
            Ok(io) => close(io, session).await,
            Err(io) => break_off(&io),
        }
    }
}

/// The answer to a request; `switch` is where its connection can leave HTTP, if it can.
pub(super) fn answer(
    session: &Session,
    forwarded: Result<Forwarded, Stop>,
    manner: Manner,
    switch: Option<&Switch>,
) -> Result<Response<Reply>, Cut> {
    let result = match (forwarded, switch) {
        (Ok(Forwarded::Switched(head, socket)), Some(switch)) => {
            // ORDER: the guard is told before the answer is written, for the client's next byte
            // belongs to another protocol.
            switch.guard.lock().tunnel_opened();
            *switch.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
            return Ok(head.map(|()| Either::Left(Own::empty())));
        }
        (Ok(Forwarded::Switched(..)), None) => Err(Stop::Cut),
        (Ok(Forwarded::Answered(answer)), _) => Ok(*answer),
        (Err(stop), _) => Err(stop),
    };
    let mut answer = reply(session, result, manner.style)?;
    if manner.asks_switch {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}
