//! HTTP/1.1 with one client, guarded, until it ends, breaks, or is cut.
//!
//! Owns the end of a connection: 400 where nothing else was said, a reset where an answer must not
//! look complete. Knows nothing of proxies.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_wire::http1::{HEAD_MAX_BYTES, RequestGuard};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::Reply;
use crate::guarded::Guarded;
use crate::read_ahead::ReadAhead;
use crate::refuse::Notice;
use crate::relay::Cut;
use crate::session::{InFlight, Session};

/// How long a client may take from one answer to the end of the next request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Room for one head and what follows it.
const BUFFER_MAX_BYTES: usize = 2 * HEAD_MAX_BYTES;
/// How long a client may take to read the last answer.
const FAREWELL: Duration = Duration::from_secs(1);
/// Most bytes that are read and dropped after the last answer.
const FAREWELL_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A client's socket, which can be broken off so that the client notices.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The TCP connection at the bottom.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for ReadAhead<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref()
    }
}

impl Socket for TlsStream<ReadAhead<TcpStream>> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0.get_ref()
    }
}

/// A client's connection after its last request.
pub(super) struct Rest<IO> {
    /// The socket, still guarded.
    pub(super) io: Guarded<IO, RequestGuard>,
    /// What the client sent after that request.
    pub(super) ahead: Bytes,
}

impl<IO> Rest<IO> {
    /// The bare socket.
    pub(super) fn into_io(self) -> IO {
        self.io.into_inner()
    }
}

/// Serves requests until the client is done, and gives its connection back; `None` where it broke
/// off, was cut or was refused.
pub(super) async fn serve<IO, A, F>(
    io: Guarded<IO, RequestGuard>,
    session: &Arc<Session>,
    answer: A,
) -> Option<Rest<IO>>
where
    IO: Socket,
    A: Fn(Request<Incoming>) -> F + Unpin,
    F: Future<Output = Result<Response<Reply>, Cut>> + Send,
{
    let service = service_fn(|request| {
        // Boxed at once: it is large, and would be moved several times.
        let (answer, in_flight) = (Box::pin(answer(request)), InFlight::new(session));
        Box::pin(async move {
            let _in_flight = in_flight;
            answer.await
        })
    });
    // A client that closes its half is taken for gone, which is the library's default: only so
    // does an act end when its client does (threat 94).
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_MAX_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let (mut cut, mut stop) = (pin!(session.cut()), pin!(session.shared.shutdown.cancelled()));
    let mut is_stopping = false;
    let ended = loop {
        if is_stopping {
            Pin::new(&mut connection).graceful_shutdown();
        }
        tokio::select! {
            biased;
            () = &mut cut => break None,
            () = &mut stop, if !is_stopping => is_stopping = true,
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break Some(ended),
        }
    };
    let must_break = match &ended {
        None => true,
        Some(Ok(())) => false,
        Some(Err(error)) => error.is_user() || session.is_answering(),
    };
    // Whatever is under way is dropped here, and says so in its outcome.
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    let doubtful = io.malformed().filter(|malformed| malformed.at_head()).map(Notice::doubtful);
    match (must_break, doubtful, ended) {
        (true, ..) => {
            break_off(&io.into_inner());
            None
        }
        (false, Some(notice), _) => {
            session.shared.tally.ended(session.door, notice.kind());
            last_word(io.into_inner(), session, &notice.raw()).await;
            None
        }
        (false, None, Some(Ok(()))) => Some(Rest { io, ahead: parts.read_buf }),
        (false, None, _) => {
            close(io.into_inner(), session).await;
            None
        }
    }
}

/// Breaks a connection off, in a reset: its end can also be the end of an answer.
pub(super) fn break_off<IO: Socket>(io: &IO) {
    let _broken = io.tcp().set_zero_linger();
}

/// Ends a connection in good order.
pub(super) async fn close<IO: Socket>(io: IO, session: &Session) {
    last_word(io, session, &[]).await;
}

// A socket that is closed with unread bytes is reset, and a client that still sends would not see
// the answer; so what it sends is read for a moment, unless its place is needed.
async fn last_word<IO: Socket>(mut io: IO, session: &Session, word: &[u8]) {
    let farewell = async {
        io.write_all(word).await?;
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(FAREWELL_MAX_BYTES), &mut tokio::io::sink()).await
    };
    tokio::select! {
        biased;
        () = session.cut() => {}
        _ended = timeout(FAREWELL, farewell) => {}
    }
}
