//! A socket whose bytes pass a guard before anybody parses them, and that may not fall silent.
//!
//! Owns the order "guard first, library second" for both sides of the gateway. Reads nothing
//! ahead and keeps no bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use marque_wire::http1::{Guard, Malformed};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A guard that its socket shares with whoever tells it about the other direction.
pub(crate) struct SharedGuard<G>(Arc<Mutex<G>>);

impl<G> SharedGuard<G> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, G> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<G> Clone for SharedGuard<G> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A guarded socket.
pub(crate) struct Guarded<IO, G> {
    io: IO,
    guard: SharedGuard<G>,
    malformed: Option<Malformed>,
    silence: Duration,
    deadline: Pin<Box<Sleep>>,
    ends: Option<Ends>,
}

/// Resolves once a socket must be used no more.
pub(crate) type Ends = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<IO, G: Guard> Guarded<IO, G> {
    /// Guards what is read from `io`, and cuts it after `silence` without a byte either way.
    pub(crate) fn new(io: IO, guard: G, silence: Duration) -> Self {
        Self {
            io,
            guard: SharedGuard(Arc::new(Mutex::new(guard))),
            malformed: None,
            silence,
            deadline: Box::pin(sleep(silence)),
            ends: None,
        }
    }

    /// The same, broken off once `ends` resolves: for a library that keeps the socket to itself.
    pub(crate) fn until(self, ends: Ends) -> Self {
        Self { ends: Some(ends), ..self }
    }

    /// The guard, to tell it about the other direction.
    pub(crate) fn guard(&self) -> SharedGuard<G> {
        self.guard.clone()
    }

    /// What the guard refused, if it did.
    pub(crate) fn malformed(&self) -> Option<&Malformed> {
        self.malformed.as_ref()
    }

    /// The bare socket.
    pub(crate) fn into_inner(self) -> IO {
        self.io
    }

    fn heard(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.silence);
    }

    fn wrote(&mut self, written: &io::Result<usize>) {
        self.heard();
        if let Ok(bytes) = written {
            self.guard.lock().wrote(*bytes);
        }
    }

    // Called where nothing is ready, so that the task also wakes for the deadline.
    fn poll_silence<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Some(ends) = &mut self.ends
            && ends.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin, G: Guard> AsyncRead for Guarded<IO, G> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, buf) else {
            return self.poll_silence(cx);
        };
        read?;
        self.heard();
        let admitted = self.guard.lock().admit(buf.filled().get(before..).unwrap_or_default());
        if let Err(malformed) = admitted {
            // The library never sees a byte of what was refused.
            buf.set_filled(before);
            self.malformed = Some(malformed.clone());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin, G: Guard> AsyncWrite for Guarded<IO, G> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(cx, buf) else {
            return self.poll_silence(cx);
        };
        self.wrote(&written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => self.poll_silence(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(shut) => Poll::Ready(shut),
            Poll::Pending => self.poll_silence(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = Pin::new(&mut self.io).poll_write_vectored(cx, bufs) else {
            return self.poll_silence(cx);
        };
        self.wrote(&written);
        Poll::Ready(written)
    }
}

#[cfg(test)]
mod tests;
