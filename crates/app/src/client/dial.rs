//! Connecting to the server's socket, in turn where a crowd stands before it.
//!
//! Connecting without waiting is refused for as long as others keep the queue full, and a run can
//! keep it full (threat 162). Who waits gets a turn.

use std::io;
use std::os::unix::net::UnixStream as Waiting;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;

/// How long a turn may take to come.
const TURN: Duration = Duration::from_secs(10);

/// A connection to the socket there.
pub(crate) async fn dial(socket: &Path) -> io::Result<UnixStream> {
    let socket = socket.to_owned();
    let waiting = TaskTracker::new().spawn_blocking(move || in_turn(&socket));
    let stream = waiting.await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn in_turn(socket: &Path) -> io::Result<Waiting> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let stream = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    // unix(7) says nothing of it, but a connect waits in the queue as long as a send may.
    set_socket_timeout(&stream, Timeout::Send, Some(TURN))?;
    rustix::net::connect(&stream, &SocketAddrUnix::new(socket)?)?;
    Ok(stream.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::{UnixStream, dial};

    // threat 162
    #[tokio::test]
    async fn whoever_finds_the_queue_full_waits_for_their_turn() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("a.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let mut crowd = Vec::new();
        while let Ok(one) = UnixStream::connect(&socket).await {
            crowd.push(one);
        }
        let serving = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            listener.accept().unwrap();
            listener
        });
        dial(&socket).await.unwrap();
        // The listener stays until the last connection is made.
        drop(serving.join().unwrap());
    }

    #[tokio::test]
    async fn where_nobody_listens_there_is_nothing_to_wait_for() {
        let dir = tempfile::tempdir().unwrap();
        let told = dial(&dir.path().join("a.sock")).await.err().unwrap();
        assert_eq!(told.kind(), std::io::ErrorKind::NotFound);
    }
}
