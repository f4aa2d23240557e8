//! A socket that is read in long pieces, below a library that asks for short ones.
//!
//! Owns what was read ahead, and memory for it only while some of it waits: TLS asks for 4 KiB at a
//! time, and a system call for each costs more than a copy. Writes pass by untouched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Most bytes that are read ahead: four records of TLS.
const AHEAD_MAX_BYTES: usize = 64 * 1024;

/// Reads ahead from `IO`.
pub(crate) struct ReadAhead<IO> {
    io: IO,
    ahead: BytesMut,
}

impl<IO> ReadAhead<IO> {
    /// Nothing is read yet.
    pub(crate) fn new(io: IO) -> Self {
        Self { io, ahead: BytesMut::new() }
    }

    /// The socket.
    pub(crate) fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadAhead<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, ahead } = &mut *self;
        if ahead.is_empty() {
            ahead.reserve(AHEAD_MAX_BYTES);
            let Poll::Ready(read) = poll_read_buf(Pin::new(io), cx, ahead) else {
                // Most connections wait most of the time.
                *ahead = BytesMut::new();
                return Poll::Pending;
            };
            read?;
        }
        let size = ahead.len().min(buf.remaining());
        buf.put_slice(ahead.get(..size).unwrap_or_default());
        ahead.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadAhead<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf, duplex};

    use super::{AHEAD_MAX_BYTES, ReadAhead};

    #[tokio::test]
    async fn every_byte_arrives_in_order_however_short_the_reads() {
        let (mut far, near) = duplex(3 * AHEAD_MAX_BYTES);
        let mut near = ReadAhead::new(near);
        let sent: Vec<u8> = (0..=255).cycle().take(2 * AHEAD_MAX_BYTES + 7).collect();
        far.write_all(&sent).await.unwrap();
        drop(far);
        let (mut got, mut some) = (Vec::new(), [0; 4096]);
        loop {
            let size = near.read(&mut some).await.unwrap();
            got.extend_from_slice(&some[..size]);
            assert!(near.ahead.len() < AHEAD_MAX_BYTES, "no more is read ahead");
            if size == 0 {
                break;
            }
        }
        assert!(got == sent, "{} bytes came of {}", got.len(), sent.len());
    }

    #[tokio::test]
    async fn a_connection_that_waits_holds_no_memory() {
        let (mut far, near) = duplex(64);
        let mut near = ReadAhead::new(near);
        far.write_all(b"abc").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'a');
        assert_eq!(near.ahead.len(), 2);
        near.read_u16().await.unwrap();
        let (mut byte, mut cx) = ([0], Context::from_waker(Waker::noop()));
        let read = Pin::new(&mut near).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
        assert!(read.is_pending());
        assert_eq!(near.ahead.capacity(), 0);
    }
}
