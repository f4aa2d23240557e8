//! What is laid inside a directory that a run can write to, or could before.
//!
//! A path there may lead anywhere by now, and to somewhere else in the next moment. So it is walked
//! once, never out of the directory (openat2(2)), and what is found is laid over itself.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// The writable directories that were laid so far, and what is lent but not laid yet.
pub(super) struct Laid {
    roots: Vec<(PathBuf, OwnedFd)>,
    lent: std::vec::IntoIter<OwnedFd>,
}

impl Laid {
    /// Nothing yet.
    pub(super) fn new(lent: impl Iterator<Item = OwnedFd>) -> Self {
        Self { roots: Vec::new(), lent: lent.collect::<Vec<_>>().into_iter() }
    }

    /// Notes that a writable directory was laid at `at`, seen as `path` later.
    pub(super) fn keep(&mut self, path: &Path, at: &Path) -> io::Result<()> {
        match open(at, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(root) => self.roots.push((path.to_owned(), root)),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Lays the next that is lent.
    pub(super) fn borrow(&mut self, path: &Path, at: &Path) -> io::Result<()> {
        let lent = self.lent.next().ok_or_else(|| io::Error::other("nothing was lent"))?;
        move_mount(lent.as_fd(), "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        self.roots.push((path.to_owned(), lent));
        Ok(())
    }

    /// Lays what lies at `path` over itself, if that is in a writable directory; whether it is.
    /// What is not there, or leads out of the directory, is not laid.
    pub(super) fn bind_beneath(&mut self, path: &Path, is_writable: bool) -> io::Result<bool> {
        let above = self.roots.iter().filter(|(root, _)| path.starts_with(root) && path != root);
        let nearest = above.max_by_key(|(root, _)| root.components().count());
        let Some((root, directory)) = nearest else { return Ok(false) };
        let below = path.strip_prefix(root).map_err(io::Error::other)?;
        let walk = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let place = match openat2(directory, below, flags, Mode::empty(), walk) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(&place, "", flags)?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&tree, "", &place, "", flags)?;
        if is_writable {
            self.roots.push((path.to_owned(), tree));
        }
        Ok(true)
    }
}
