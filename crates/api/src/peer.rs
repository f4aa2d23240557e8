//! Who is on the other end of the socket, as the kernel describes it (`/proc`, Linux).
//!
//! Read anew for each request: the process may have exec'd since it connected. Believed only of the
//! very process that connected, which is pinned then (threat 70: a reused process id), and only if
//! two readings agree.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};

use marque_plane::{Peer, ProcessKey, TerminalSession};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::UnixStream;

/// Most ancestors that are followed. A deeper tree is not believed.
const MAX_DEPTH: usize = 64;
/// Most bytes of a line about a process: 52 numbers and a name of 64 bytes.
const LINE_MAX_BYTES: usize = 2_048;
/// Fields after the name, up to the last one that counts: when it was started.
const FIELDS: usize = 20;
/// How often an ancestry that changes under our eyes is read again.
const ATTEMPTS: usize = 4;

/// The process that connected, and no other that is given its number later.
pub(crate) struct Pinned {
    uid: u32,
    pid: Option<i32>,
    pin: Pin,
}

enum Pin {
    /// The kernel's own handle on it.
    Handle(OwnedFd),
    /// As it was found when it connected, where the kernel hands out none (Linux before 6.5).
    Found(Option<ProcessKey>),
    /// It cannot be pinned: it ended before it was looked at.
    Gone,
}

impl Pinned {
    /// The process at the other end of a stream.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let (uid, pid) = (credentials.uid(), credentials.pid());
        let pin = match handle(stream) {
            Ok(handle) => Pin::Handle(handle),
            Err(Errno::ENOPROTOOPT) => Pin::Found(observe(uid, pid).process()),
            Err(error) => {
                tracing::debug!(%error, "a process connected that cannot be pinned");
                Pin::Gone
            }
        };
        Ok(Self { uid, pid, pin })
    }

    /// The user id it had when it connected.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// The process as it is now; none if it is gone. Its ancestors are empty where they cannot be
    /// told.
    pub(crate) fn observe(&self) -> Option<Peer> {
        let peer = observe(self.uid, self.pid);
        // ORDER: after the reading. What lives now lived all the while, and its number with it.
        let is_it = match &self.pin {
            Pin::Handle(handle) => is_alive(handle),
            Pin::Found(key) => peer.process() == *key,
            Pin::Gone => false,
        };
        is_it.then_some(peer)
    }
}

#[cfg(target_os = "linux")]
fn handle(stream: &UnixStream) -> nix::Result<OwnedFd> {
    nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerPidfd)
}

#[cfg(not(target_os = "linux"))]
fn handle(_: &UnixStream) -> nix::Result<OwnedFd> {
    Err(Errno::ENOPROTOOPT)
}

/// pidfd_open(2): readable once the process has ended, even before it is reaped.
fn is_alive(handle: &OwnedFd) -> bool {
    let mut handles = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    poll(&mut handles, PollTimeout::ZERO) == Ok(0)
}

/// One line of `/proc/<pid>/stat`, as far as it matters (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    key: ProcessKey,
    parent: u32,
    session: u32,
    tty: u32,
}

fn observe(uid: u32, pid: Option<i32>) -> Peer {
    let pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    let seen = pid.and_then(|pid| (0..ATTEMPTS).find_map(|_| settled(pid)));
    let Some((ancestors, session)) = seen else {
        return Peer { uid, session: None, ancestors: Vec::new() };
    };
    Peer { uid, session, ancestors }
}

/// The ancestry of a process, itself first, and its terminal; only if two readings agree.
fn settled(pid: u32) -> Option<(Vec<ProcessKey>, Option<TerminalSession>)> {
    let before = ancestry(pid)?;
    let first = before.first()?;
    let session = session_of(first);
    if ancestry(pid)? != before {
        return None;
    }
    Some((before.iter().map(|stat| stat.key).collect(), session))
}

/// A process and its ancestors up to the first of this pid namespace.
fn ancestry(pid: u32) -> Option<Vec<Stat>> {
    let mut chain = Vec::new();
    let mut next = pid;
    while next != 0 {
        if chain.len() == MAX_DEPTH {
            return None;
        }
        let stat = read(next)?;
        chain.push(stat);
        next = stat.parent;
    }
    Some(chain)
}

/// The terminal session of a process; none without a terminal, or once its leader is gone.
fn session_of(stat: &Stat) -> Option<TerminalSession> {
    if stat.tty == 0 {
        return None;
    }
    let leader = read(stat.session)?;
    let is_leader = leader.session == leader.key.pid && leader.tty == stat.tty;
    is_leader.then_some(TerminalSession { leader: leader.key, tty: stat.tty })
}

fn read(pid: u32) -> Option<Stat> {
    let mut line = [0; LINE_MAX_BYTES];
    // ORDER: one read, for the kernel makes the line anew for each that begins it.
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    parse(pid, line.get(..length).filter(|line| line.ends_with(b"\n"))?)
}

fn parse(pid: u32, line: &[u8]) -> Option<Stat> {
    // The command's name may hold anything, parentheses as well; nothing after it does.
    let name_ends = line.iter().rposition(|byte| *byte == b')')?;
    let mut fields = [""; FIELDS];
    let text = str::from_utf8(line.get(name_ends + 1..)?).ok()?;
    for (place, field) in fields.iter_mut().zip(text.split_ascii_whitespace()) {
        *place = field;
    }
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let small = |place: usize| u32::try_from(number(place)?).ok();
    let tty = fields.get(4)?.parse::<i32>().ok()?;
    Some(Stat {
        key: ProcessKey { pid, started: number(19)? },
        parent: small(1)?,
        session: small(3)?,
        tty: u32::try_from(tty).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
