//! Peers: the processes that talk to the admin socket, as the kernel describes them.
//!
//! Reading `/proc` belongs to the API; this module holds what it found.

use serde::{Deserialize, Serialize};

/// One process, told apart from a later one that was given the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

/// A terminal session: the shell a human sits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TerminalSession {
    /// The process that leads it.
    pub leader: ProcessKey,
    /// Its controlling terminal's device number.
    pub tty: u32,
}

/// A process on the other end of the admin socket.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The user id it runs under.
    pub uid: u32,
    /// The terminal session it belongs to, if it has a terminal.
    pub session: Option<TerminalSession>,
    /// Itself first, then its parent, and so on up to the first process.
    pub ancestors: Vec<ProcessKey>,
}

impl Peer {
    /// Whether it descends from that launcher. The launcher itself is outside its run.
    pub fn is_inside(&self, launcher: &ProcessKey) -> bool {
        self.ancestors.iter().skip(1).any(|ancestor| ancestor == launcher)
    }

    /// Its terminal session, if it descends from the process that leads it.
    ///
    /// A process whose parent died descends from the first process of the system instead. It may
    /// be what a run left behind, so no terminal speaks for it.
    pub(crate) fn own_session(&self) -> Option<TerminalSession> {
        self.session.filter(|session| self.ancestors.contains(&session.leader))
    }

    /// The process itself.
    pub fn process(&self) -> Option<ProcessKey> {
        self.ancestors.first().copied()
    }
}
