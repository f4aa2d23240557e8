//! A look at the first TLS message of a client (RFC 8446 §4.1.2).
//!
//! Owns the one question the TLS library does not answer: which extensions are there? Sans-IO;
//! reads what the library has already found well-formed, and is total on any bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Extension `encrypted_client_hello` (RFC 9849), also in the form browsers send for show.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// Most bytes of a first message that are looked at.
const SEEN_MAX_BYTES: usize = 64 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Whether the client hides the host it asks for; `None` where the bytes are no whole hello.
pub(crate) fn is_encrypted(records: &[u8]) -> Option<bool> {
    let handshake = joined(records)?;
    let mut rest = Reader(&handshake);
    if rest.number(1)? != u32::from(CLIENT_HELLO) {
        return None;
    }
    let mut hello = rest.vector(3)?;
    let _version_and_random = hello.bytes(2 + 32)?;
    let _session = hello.vector(1)?;
    let _cipher_suites = hello.vector(2)?;
    let _compressions = hello.vector(1)?;
    if hello.0.is_empty() {
        return Some(false);
    }
    let mut extensions = hello.vector(2)?;
    let mut is_encrypted = false;
    while !extensions.0.is_empty() {
        is_encrypted |= extensions.number(2)? == u32::from(ENCRYPTED_CLIENT_HELLO);
        extensions.vector(2)?;
    }
    Some(is_encrypted)
}

/// The handshake bytes of all whole records.
fn joined(records: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Reader(records);
    let mut handshake = Vec::with_capacity(records.len());
    while !rest.0.is_empty() {
        if rest.number(1)? != u32::from(HANDSHAKE) {
            return None;
        }
        let _version = rest.number(2)?;
        handshake.extend_from_slice(rest.vector(2)?.0);
    }
    Some(handshake)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of at most 4 bytes.
    fn number(&mut self, width: usize) -> Option<u32> {
        let bytes = self.bytes(width)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// What a length of `width` bytes is followed by.
    fn vector(&mut self, width: usize) -> Option<Self> {
        let length = usize::try_from(self.number(width)?).ok()?;
        self.bytes(length).map(Reader)
    }
}

/// A socket that remembers what was read from it.
pub(crate) struct Tap<IO> {
    io: IO,
    seen: Vec<u8>,
}

impl<IO> Tap<IO> {
    /// Remembers from here on, up to a bound.
    pub(crate) fn new(io: IO) -> Self {
        Self { io, seen: Vec::new() }
    }

    /// What was read, and the socket.
    pub(crate) fn into_parts(self) -> (Vec<u8>, IO) {
        (self.seen, self.io)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tap<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let news = buf.filled().get(before..).unwrap_or_default();
        if self.seen.len() + news.len() > SEEN_MAX_BYTES {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        self.seen.extend_from_slice(news);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tap<IO> {
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
}

#[cfg(test)]
mod tests;
