//! What is laid inside a directory that a run above lends, and that its processes write to now.
//!
//! A path there may lead anywhere by now, and to somewhere else in the next moment. So it is walked
//! once, never through a link (openat2(2)), and what is found is laid over itself.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// Both ends are descriptors.
const OVER: MoveMountFlags =
    MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH.union(MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH);

/// What was lent and laid so far, what is writable in it, and what is lent but not laid yet.
pub(super) struct Laid {
    roots: Vec<(PathBuf, OwnedFd)>,
    lent: std::vec::IntoIter<OwnedFd>,
}

impl Laid {
    /// Nothing yet.
    pub(super) fn new(lent: impl Iterator<Item = OwnedFd>) -> Self {
        Self { roots: Vec::new(), lent: lent.collect::<Vec<_>>().into_iter() }
    }

    /// Lays the next that is lent over `there`, seen as `path` later.
    pub(super) fn borrow(&mut self, path: &Path, there: &OwnedFd) -> io::Result<()> {
        let lent = self.lent.next().ok_or_else(|| io::Error::other("nothing was lent"))?;
        move_mount(&lent, "", there, "", OVER)?;
        self.roots.push((path.to_owned(), lent));
        Ok(())
    }

    /// Lays what lies at `path` over itself, if that is in what is lent; whether it is. What is not
    /// there, or only through a link, is not laid: then it is as it is lent.
    pub(super) fn bind_beneath(&mut self, path: &Path, is_writable: bool) -> io::Result<bool> {
        let above = self.roots.iter().filter(|(root, _)| path.starts_with(root) && path != root);
        let nearest = above.max_by_key(|(root, _)| root.components().count());
        let Some((root, directory)) = nearest else { return Ok(false) };
        let below = path.strip_prefix(root).map_err(io::Error::other)?;
        let walk = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
        move_mount(&tree, "", &place, "", OVER)?;
        if is_writable {
            self.roots.push((path.to_owned(), tree));
        }
        Ok(true)
    }
}
