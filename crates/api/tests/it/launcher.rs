//! A launcher at the hand-over socket: listeners made elsewhere, and messages with descriptors.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::process::Command;

use marque_plane::view::OpenedRunView;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use super::served::Served;

/// Makes sockets in a network namespace of its own, and sends them over its standard input. Each is
/// `family type address port backlog`; nothing listens with a backlog of 0.
const ELSEWHERE: &str = "
import socket, sys
line = socket.socket(fileno=0)
made = []
for wanted in sys.argv[1:]:
    family, kind, address, port, backlog = wanted.split()
    one = socket.socket(getattr(socket, family), getattr(socket, kind))
    if family == 'AF_INET6':
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind((address, int(port)))
    if int(backlog):
        one.listen(int(backlog))
    made.append(one)
socket.send_fds(line, [b'.'], [one.fileno() for one in made])
";

/// Sockets in a network namespace where nobody else is. Panics where users may make none.
pub(crate) fn elsewhere(wanted: &[&str]) -> Vec<OwnedFd> {
    let (ours, theirs) = StdStream::pair().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "python3", "-c", ELSEWHERE]);
    let done = command.args(wanted).stdin(OwnedFd::from(theirs)).status().unwrap();
    assert!(done.success(), "these tests make network namespaces, and this machine lets no user");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    let room = &mut [std::io::IoSliceMut::new(&mut byte)];
    recvmsg(&ours, room, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut made = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            made.extend(rights);
        }
    }
    assert_eq!(made.len(), wanted.len());
    made
}

/// What a launcher writes of those doors of its run.
pub(crate) fn message(opened: &OpenedRunView, doors: &Value) -> Vec<u8> {
    let id = opened.run.id.to_string();
    framed(&json!({ "run": id, "secret": opened.secret, "doors": doors }).to_string())
}

/// A message with its length.
pub(crate) fn framed(json: &str) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap().to_be_bytes();
    [&length[..], json.as_bytes()].concat()
}

impl Served {
    /// Sends a message with those descriptors, and reads the answer.
    pub(crate) async fn hands_over(&self, message: &[u8], doors: &[OwnedFd]) -> Value {
        let mut stream = UnixStream::connect(self.path("doors.sock")).await.unwrap();
        let doors: Vec<BorrowedFd<'_>> = doors.iter().map(|door| door.as_fd()).collect();
        let sent = stream.async_io(Interest::WRITABLE, || Ok(send(&stream, message, &doors)?));
        let sent = sent.await.unwrap();
        stream.write_all(message.get(sent..).unwrap()).await.unwrap();
        // Whoever waits for more learns that there is none.
        stream.shutdown().await.unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut answer = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut answer).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

fn send(stream: &UnixStream, bytes: &[u8], doors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(128))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !doors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(doors)));
    }
    sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// A socket for datagrams, in the namespace of this test.
pub(crate) fn datagrams_here() -> OwnedFd {
    UdpSocket::bind("0.0.0.0:0").unwrap().into()
}
