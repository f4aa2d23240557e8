//! A socket to the server, and the loop in which the caller's own thread drives it.
//!
//! The driver is written for an async runtime. This is the smallest that serves it: one socket,
//! one thread, `poll(2)`. It may itself run inside a runtime, which a second runtime may not.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connected socket that never blocks. A clone is the same one.
#[derive(Clone)]
pub(super) struct Socket(Arc<Parts>);

struct Parts {
    stream: Stream,
    /// The last write found no room.
    is_full: AtomicBool,
}

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn new(stream: Stream) -> io::Result<Self> {
        match &stream {
            Stream::Tcp(stream) => stream.set_nonblocking(true)?,
            Stream::Unix(stream) => stream.set_nonblocking(true)?,
        }
        Ok(Self(Arc::new(Parts { stream, is_full: AtomicBool::new(false) })))
    }

    /// Calls `step` until it is done. Fails if the server is silent for as long as `patience`.
    pub(super) fn drive<T>(
        &self,
        patience: Duration,
        step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> io::Result<T> {
        self.attend(patience, step)?.ok_or_else(|| {
            let message = format!("no word from the server for {} s", patience.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, message)
        })
    }

    /// Calls `step` until it is done, or the server is silent for as long as `patience`.
    pub(super) fn attend<T>(
        &self,
        patience: Duration,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> io::Result<Option<T>> {
        let flag = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(done) = step(&mut context) {
                return Ok(Some(done));
            }
            // What `step` woke itself can go on at once; everything else waits for the server.
            if !flag.0.swap(false, Ordering::AcqRel) && !self.wait(patience)? {
                return Ok(None);
            }
        }
    }

    /// Whether the socket was ready in time.
    fn wait(&self, patience: Duration) -> io::Result<bool> {
        let mut wanted = PollFlags::IN;
        if self.0.is_full.load(Ordering::Acquire) {
            wanted |= PollFlags::OUT;
        }
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        loop {
            match poll(&mut [PollFd::from_borrowed_fd(self.descriptor(), wanted)], Some(&timeout)) {
                Err(Errno::INTR) => {}
                ready => return Ok(ready? > 0),
            }
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.0.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &self.0.stream {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        };
        let is_full = matches!(&written, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        self.0.is_full.store(is_full, Ordering::Release);
        written
    }

    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match &self.0.stream {
            Stream::Tcp(stream) => (&mut &*stream).read(room),
            Stream::Unix(stream) => (&mut &*stream).read(room),
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Pending without a waker: [`Socket::drive`] steps again whenever the socket is ready.
fn or_pending<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return Poll::Ready(answer),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = room.initialize_unfilled();
        or_pending(|| self.read(free)).map_ok(|count| room.advance(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        or_pending(|| self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = match &self.0.stream {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
        Poll::Ready(closed)
    }
}
