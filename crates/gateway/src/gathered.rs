//! A socket whose writes leave together, once whoever writes has nothing more to say for now.
//!
//! Owns what was written and has not left. The HTTP/2 library flushes after every frame, and each
//! flush would be a record of TLS, a system call and a client woken up. It also keeps its socket
//! to itself, so there are two handles: one for the library, one for whoever drives it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Once as many bytes wait, they leave before any more is taken: four records of TLS. What is
/// taken then may be one frame more.
const WAITING_MAX_BYTES: usize = 64 * 1024;

/// One of the handles of a socket. A flush does nothing; [`Gathered::poll_leave`] does.
pub(crate) struct Gathered<IO>(Arc<Mutex<Parts<IO>>>);

struct Parts<IO> {
    io: IO,
    /// Memory for it is held only while some of it waits.
    waiting: BytesMut,
}

impl<IO> Gathered<IO> {
    /// The two handles.
    pub(crate) fn pair(io: IO) -> (Self, Self) {
        let parts = Arc::new(Mutex::new(Parts { io, waiting: BytesMut::new() }));
        (Self(Arc::clone(&parts)), Self(parts))
    }

    /// Does something with the socket itself.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&IO) -> R) -> R {
        act(&self.lock().io)
    }

    fn lock(&self) -> MutexGuard<'_, Parts<IO>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<IO: AsyncWrite + Unpin> Gathered<IO> {
    /// Writes what waits. To be called whenever the library was polled.
    pub(crate) fn poll_leave(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_leave(cx)
    }
}

impl<IO: AsyncWrite + Unpin> Parts<IO> {
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let size = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(size);
        }
        self.waiting = BytesMut::new();
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() < WAITING_MAX_BYTES {
            Poll::Ready(Ok(()))
        } else {
            self.poll_leave(cx)
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Gathered<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gathered<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_room(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut parts = self.lock();
        ready!(parts.poll_leave(cx))?;
        Pin::new(&mut parts.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut parts = self.lock();
        ready!(parts.poll_room(cx))?;
        let mut size = 0;
        for buf in bufs {
            let room = WAITING_MAX_BYTES - size;
            let some = buf.get(..room.min(buf.len())).unwrap_or_default();
            parts.waiting.extend_from_slice(some);
            size += some.len();
        }
        Poll::Ready(Ok(size))
    }
}

#[cfg(test)]
mod tests;
