//! HTTP/2 with one client inside TLS, guarded, until it ends, breaks, or is cut.
//!
//! Owns the bounds of a connection that carries many requests (threat 91), and its breaking off.
//! Each request becomes an HTTP/1.1 one before anybody looks at it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{Method, Request, Response};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_wire::http1::HEAD_MAX_BYTES;
use marque_wire::http2::{FRAME_MAX_BYTES, FrameGuard, as_http1};

use super::http::Socket;
use super::{Reply, reply};
use crate::gathered::Gathered;
use crate::guarded::Guarded;
use crate::places::RequestPlace;
use crate::refuse::{Notice, Style};
use crate::relay::Cut;
use crate::session::{InFlight, Session};
use crate::tracked::Tracked;

/// Requests under way on one connection.
const STREAMS_MAX: u32 = 64;
/// Bytes of one request's body that may wait here.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes of all its requests' bodies that may wait here: room for each, so that one that waits for
/// its decision holds up no other.
const WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Bytes of one answer that may wait for the client.
const SEND_MAX_BYTES: usize = 256 * 1024;
/// Streams the client may break off before they were taken up.
const RESETS_MAX: usize = 20;

/// Serves requests until the client is done, breaks off, or is cut.
pub(super) async fn serve<IO, A, F>(io: IO, session: &Arc<Session>, answer: A)
where
    IO: Socket,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Reply>, Cut>> + Send + 'static,
{
    let (io, socket) = Gathered::pair(io);
    let io = Guarded::new(io, FrameGuard::of_client(), session.shared.settings.silence);
    let service = service_fn(|request: Request<Incoming>| {
        let is_head = request.method() == Method::HEAD;
        let answered = match prepare(session, request) {
            // Boxed at once: it is large, and would be moved several times.
            Ok((request, place)) => Ok((Box::pin(answer(request)), place)),
            Err((notice, style)) => Err(reply(session, Err(notice.into()), style)),
        };
        let in_flight = InFlight::new(session);
        async move {
            let _in_flight = in_flight;
            let (answer, place) = match answered {
                Ok((answer, place)) => (answer.await?, place),
                Err(told) => (told?, None),
            };
            Ok::<_, Cut>(answer.map(|body| {
                // Over HTTP/1.1 the library leaves the body of an answer to HEAD out by itself.
                let body = match body {
                    Either::Left(own) if is_head => Either::Left(own.untold()),
                    body => body,
                };
                Held { body, _place: place }
            }))
        }
    });
    let connection = http2::Builder::new(Tracked::new(&session.shared.tasks))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_frame_size(FRAME_MAX_BYTES)
        .max_header_list_size(u32::try_from(HEAD_MAX_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_MAX_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let (mut cut, mut stop) = (pin!(session.cut()), pin!(session.shared.shutdown.cancelled()));
    let mut is_stopping = false;
    loop {
        if is_stopping {
            connection.as_mut().graceful_shutdown();
        }
        tokio::select! {
            biased;
            () = &mut cut => {
                // A reset, because the end of a connection can also be the end of an answer.
                let _broken = socket.with(|io| io.tcp().set_zero_linger());
                return;
            }
            () = &mut stop, if !is_stopping => is_stopping = true,
            // Whoever waits for an answer is told of an error by its stream.
            () = poll_fn(|cx| poll_driven(connection.as_mut(), &socket, cx)) => return,
        }
    }
}

/// Drives the library and, once it has said what it has to say for now, lets that leave.
fn poll_driven<IO: Socket, E>(
    connection: Pin<&mut impl Future<Output = Result<(), E>>>,
    socket: &Gathered<IO>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let is_over = connection.poll(cx).is_ready();
    let has_left = socket.poll_leave(cx);
    if is_over || matches!(has_left, Poll::Ready(Err(_))) { Poll::Ready(()) } else { Poll::Pending }
}

/// The request as HTTP/1.1 would say it, and its place, unless it takes one once it has proven
/// itself; or what the client is told.
fn prepare(
    session: &Session,
    request: Request<Incoming>,
) -> Result<(Request<Incoming>, Option<RequestPlace>), (Notice, Style)> {
    let (mut head, body) = request.into_parts();
    let style = Style::of(&head.headers);
    as_http1(&mut head).map_err(|malformed| (Notice::doubtful(&malformed), style))?;
    if session.is_carrier() {
        return Ok((Request::from_parts(head, body), None));
    }
    let place = session.place().ok_or_else(|| {
        let message = "this connection belongs to no run yet";
        (Notice::crowded(message, "open another connection"), style)
    })?;
    let place = place.of_request().map_err(|notice| (notice, style))?;
    Ok((Request::from_parts(head, body), Some(place)))
}

/// An answer that keeps its request's place until it has ended.
struct Held {
    body: Reply,
    _place: Option<RequestPlace>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
