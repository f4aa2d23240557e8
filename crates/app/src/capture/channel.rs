//! A socket pair that carries messages and descriptors between the launcher and the inside.
//!
//! Both ends are this binary, so a message that does not parse is a defect and ends the run.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of a message. Environments and argument lists reach 2 MiB, and are spelt in JSON.
const MESSAGE_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most descriptors that go with one.
pub(super) const DESCRIPTORS_MAX: usize = 128;
const LENGTH_BYTES: usize = 4;

/// One end.
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Both ends of a new one.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// The end that lies there.
    pub(super) fn of(end: OwnedFd) -> Self {
        Self(end.into())
    }

    /// The bare socket.
    pub(super) fn into_stream(self) -> UnixStream {
        self.0
    }

    /// The bare socket.
    pub(super) fn stream(&self) -> &UnixStream {
        &self.0
    }

    /// Sends a message with descriptors.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        send(&self.0, &serde_json::to_vec(message)?, descriptors)
    }

    /// The next message, and the descriptors that came with it. Close-on-exec, all of them.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<(T, Vec<OwnedFd>)> {
        let (bytes, descriptors) = receive(&self.0)?;
        Ok((serde_json::from_slice(&bytes)?, descriptors))
    }
}

/// Sends bytes with their length before them (32 bits, big-endian), and descriptors.
pub(super) fn send(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let length = length.to_be_bytes();
    let head = [IoSlice::new(&length)];
    let sent = retry(|| sendmsg(stream, &head, &mut ancillary, SendFlags::NOSIGNAL))?;
    let mut stream = stream;
    stream.write_all(length.get(sent..).unwrap_or_default())?;
    stream.write_all(bytes)
}

/// What [`send`] sent at the other end.
pub(super) fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut length = [0; LENGTH_BYTES];
    let got = retry(|| {
        let mut head = [IoSliceMut::new(&mut length)];
        recvmsg(stream.as_fd(), &mut head, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut stream = stream;
    stream.read_exact(length.get_mut(got.bytes..).unwrap_or_default())?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > MESSAGE_MAX_BYTES {
        return Err(io::Error::other("a message is too long"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok((bytes, descriptors))
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
