//! Locks what somebody outside replaced while the run lasts.
//!
//! A mount goes with the file it lies on: when a human's git writes a new configuration in the
//! place of the old one, the run could write to the new one. The kernel tells that mounts changed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};

use super::lay::{straight, through};
use super::mounted;
use crate::capture::message::{Sight, What};

/// What is to stay read-only in the working directory.
pub(in super::super) struct Watch {
    locked: Vec<PathBuf>,
    mounts: File,
}

impl Watch {
    /// Watches over what of `sights` is locked inside something that can be written to.
    pub(in super::super) fn over(sights: &[Sight]) -> io::Result<Self> {
        let is_written = |at: &Path| {
            let above = sights.iter().filter(|sight| sight.at != at && at.starts_with(&sight.at));
            let nearest = above.max_by_key(|sight| sight.at.components().count());
            nearest.is_some_and(|sight| {
                matches!(sight.what, What::Write | What::Lent { is_writable: true })
            })
        };
        let locked =
            sights.iter().filter(|sight| sight.what == What::Read && is_written(&sight.at));
        let locked = locked.map(|sight| sight.at.clone()).collect();
        Ok(Self { locked, mounts: File::open(mounted::LIST)? })
    }

    /// What is locked now.
    pub(in super::super) fn held(&self) -> io::Result<Vec<PathBuf>> {
        let mounts = mounted::places()?;
        Ok(self.locked.iter().filter(|path| mounts.contains(*path)).cloned().collect())
    }

    /// The first of `held` that is not locked any more.
    pub(in super::super) fn lost(held: &[PathBuf]) -> Option<&PathBuf> {
        if held.is_empty() {
            return None;
        }
        let mounts = mounted::places().unwrap_or_default();
        held.iter().find(|path| !mounts.contains(*path))
    }

    /// Locks again what is no mount any more. Returns whether all of it is locked.
    ///
    /// What is being replaced at this moment, and what is gone, may come back without a word of
    /// the kernel's.
    pub(in super::super) fn lock_again(&self) -> bool {
        let Ok(mounts) = mounted::places() else { return false };
        let missing = self.locked.iter().filter(|path| !mounts.contains(*path));
        // A link cannot be locked; it is named at the end.
        let mut is_all = true;
        for path in missing {
            is_all &= lock(path).is_ok_and(|is_there| is_there);
        }
        is_all
    }
}

impl AsFd for Watch {
    /// Has an urgent event when the mounts have changed (proc_pid_mountinfo(5)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mounts.as_fd()
    }
}

/// Locks one, if it is there.
fn lock(path: &Path) -> io::Result<bool> {
    let Some(found) = straight(path)? else { return Ok(false) };
    mount_bind_recursive(through("", &found), through("", &found))?;
    let flags = MountFlags::RDONLY | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    mount_remount(path, flags, "")?;
    Ok(true)
}
