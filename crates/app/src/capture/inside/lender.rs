//! Lending the run's directories to the runs below it, as this run sees them.
//!
//! What is lent is a copy of this run's own mounts, so whatever is read-only or covered here is so
//! there, and no path is walked that a process inside could turn elsewhere.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::super::channel::Channel;
use super::super::message::Lending;

/// Lends, to the launcher alone.
pub(super) struct Lender {
    channel: Channel,
    lendable: Vec<PathBuf>,
}

impl Lender {
    /// One, and the launcher's end.
    pub(super) fn new(lendable: Vec<PathBuf>) -> io::Result<(Self, Channel)> {
        let (channel, theirs) = Channel::pair()?;
        Ok((Self { channel, lendable }, theirs))
    }

    /// Answers one question.
    pub(super) fn answer(&self) {
        let Ok((Lending::Lend, _)) = self.channel.receive() else { return };
        let lent: io::Result<Vec<OwnedFd>> = self.lendable.iter().map(copy).collect();
        let _told = match lent {
            Ok(lent) => {
                let lent: Vec<_> = lent.iter().map(AsFd::as_fd).collect();
                self.channel.send(&Lending::Lent, &lent)
            }
            Err(error) => self.channel.send(&Lending::Failed(error.to_string()), &[]),
        };
    }
}

impl AsFd for Lender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.stream().as_fd()
    }
}

fn copy(path: &PathBuf) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    Ok(open_tree(CWD, path, flags)?)
}
