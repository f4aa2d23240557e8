//! What the launcher and the run's first process say to each other.

use std::ffi::OsString;
use std::path::PathBuf;

use marque_plane::DoorKind;
use serde::{Deserialize, Serialize};

use crate::launch::Laid;

/// Said to the first process inside.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToInside {
    /// Build the network and what is seen. With it come the standard streams that are no terminal.
    Build(Build),
    /// Open the listeners, and lay the run's own files.
    Open(Open),
    /// Start the command.
    Start(Start),
    /// Pass a signal on to the command.
    Signal(i32),
    /// The command was stopped by its terminal and may go on.
    Resume,
}

/// Said by it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromInside {
    /// The first process inside was started, under that number outside.
    Entered(i32),
    /// Everything is built. With it comes the terminal's other side, if one was wanted.
    Built,
    /// What was opened, in the order of the descriptors that come with it.
    Opened(Vec<Opening>),
    /// The command runs.
    Started,
    /// The command was stopped by its terminal.
    Stopped,
    /// What was locked in the working directory is not any more, so everything was ended.
    Unlocked(PathBuf),
    /// The command has ended, and nothing of it is left.
    Ended {
        /// What a shell would see.
        code: u8,
    },
    /// A step failed; nothing runs.
    Failed {
        /// What was being done.
        step: String,
        /// What the kernel said.
        why: String,
        /// The shell's code, where it was the command that could not be started.
        code: Option<u8>,
    },
}

/// A descriptor that was made inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Opening {
    /// A listener for the server.
    Door(DoorKind),
    /// The listener for whoever asks for a child run: the launcher's, and nobody else's.
    Launch,
    /// The launcher's end of a channel over which the run's directories are lent to its children.
    Lender,
}

/// Said over the channel on which directories are lent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Lending {
    /// By the launcher: lend them once more.
    Lend,
    /// Here they are, as the run sees them; with it come mounts of their own.
    Lent,
    /// It failed.
    Failed(String),
}

/// What is built before the run is opened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Build {
    /// What is seen inside, in the order in which it is laid over.
    pub(super) sights: Vec<Sight>,
    /// Which of the three standard streams are to be a terminal.
    pub(super) terminals: [bool; 3],
    /// Its size.
    pub(super) size: Option<(u16, u16)>,
}

/// One thing that is seen at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sight {
    /// Where, inside.
    pub(super) at: PathBuf,
    /// What.
    pub(super) what: What,
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// What lies there outside, read-only.
    Read,
    /// What lies there outside, and what is written there stays.
    Write,
    /// What lies at another place outside, read-only.
    From(PathBuf),
    /// What a run above it sees there, lent by it: the next of the descriptors after the streams.
    Lent {
        /// Whether what is written there stays; otherwise it is read-only.
        is_writable: bool,
    },
    /// An empty directory whose contents go with the run.
    Scratch {
        /// Its permissions.
        mode: u32,
    },
    /// What lies there outside under another layer, in which these are empty directories and files;
    /// no socket below it can be connected to.
    Layered {
        /// Empty directories, relative to it.
        directories: Vec<PathBuf>,
        /// Empty files, relative to it.
        files: Vec<PathBuf>,
        /// Whether it can be written to; what is written goes with the run.
        is_writable: bool,
    },
    /// An empty file, read-only.
    Nothing,
    /// A file with that text, read-only.
    Text(String),
    /// A link.
    Link(PathBuf),
    /// The processes of the run.
    Processes,
    /// The few devices that a program needs.
    Devices,
}

/// What is opened and laid once the run is known.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    /// Ports to listen on for TCP, on all addresses of both families.
    pub(super) ports: Vec<u16>,
    /// Files of the run's own directory.
    pub(super) files: Vec<Laid>,
    /// Where the run's certificates, which come as they are in the next frame, are laid over what
    /// lies there.
    pub(super) trusted_at: Vec<PathBuf>,
    /// Directories that may be lent to child runs.
    pub(super) lendable: Vec<PathBuf>,
}

/// The command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The program and its arguments.
    pub(crate) words: Vec<OsString>,
    /// Exactly its environment.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// Where it begins.
    pub(crate) directory: PathBuf,
    /// Whether it may make user namespaces of its own.
    pub(crate) user_namespaces: bool,
}
