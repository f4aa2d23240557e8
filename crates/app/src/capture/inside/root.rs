//! What the run sees of the file system: a root of its own, into which only what is listed is laid.
//!
//! Nothing is hidden by name in the old root; the old root is left behind (pivot_root(2)).

mod beneath;
mod devices;
mod lay;
mod mounted;
mod relock;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::super::message::Sight;
use super::{During as _, Trouble};
use beneath::Laid;

pub(super) use relock::Watch;

/// Where the new root is built; hidden again by what is laid there.
const BASE: &str = "/tmp";
/// The old root, while the new one is built.
const OLD: &str = "/old";
/// The new one.
const NEW: &str = "/new";
/// What is laid from is kept here; gone from sight with the old root.
const KEPT: &str = "/kept";

/// Builds what the run sees, some of it lent by a run above it, and makes it the root.
pub(super) fn build(sights: &[Sight], lent: impl Iterator<Item = OwnedFd>) -> Result<(), Trouble> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).during("part with the mounts outside")?;
    memory(Path::new(BASE))?;
    for name in [OLD, NEW, KEPT] {
        let at = format!("{BASE}{name}");
        std::fs::create_dir(&at).during(format!("make {at}"))?;
    }
    pivot_root(BASE, format!("{BASE}{OLD}").as_str()).during("leave the root")?;
    chdir("/").during("leave the root")?;
    memory(Path::new(NEW))?;
    let mut laid = Laid::new(lent);
    for sight in sights {
        lay::lay(sight, &mut laid)?;
    }
    // pivot_root(2): the old root is stacked over the new one, and taken off it.
    chdir(NEW).during("enter the new root")?;
    pivot_root(".", ".").during("enter the new root")?;
    unmount(".", UnmountFlags::DETACH).during("let the old root go")?;
    chdir("/").during("enter the new root")?;
    mounted::restrict(sights)
}

/// What lies at `at`, if no part of that path is a link: a run above may write there, and lead a
/// child by one to where it was not to work.
pub(super) fn open(at: &Path) -> Result<OwnedFd, Trouble> {
    let step = || format!("enter `{}`", at.display());
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    lay::straight(at).and_then(|found| found.ok_or_else(gone)).during(step())
}

/// A path to exactly that, for this process and those it starts.
pub(super) fn through(found: &OwnedFd) -> PathBuf {
    lay::through("", found)
}

/// Lets nothing be written any more to what lies at `at`.
pub(super) fn seal(at: &Path) -> Result<(), Trouble> {
    let flags = MountFlags::RDONLY | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    mount_remount(at, flags, "").during(format!("seal `{}`", at.display()))
}

/// Lays a file of the run over another.
pub(super) fn cover(at: &Path, with: &Path) -> Result<(), Trouble> {
    let step = || format!("lay `{}` over `{}`", with.display(), at.display());
    rustix::mount::mount_bind(with, at).during(step())?;
    seal(at)
}

/// An empty directory in memory. All of them lie in one, and share its bound.
fn scratch(at: &Path, mode: u32) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt as _;
    let step = || format!("make an empty `{}`", at.display());
    let kept = lay::keep(|kept| {
        std::fs::create_dir(kept)?;
        std::fs::set_permissions(kept, std::fs::Permissions::from_mode(mode))
    });
    rustix::mount::mount_bind(kept.during(step())?, at).during(step())
}

/// Memory that files can lie in, bounded.
fn memory(at: &Path) -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let options = c"mode=755,size=50%,nr_inodes=1m";
    mount("marque", at, "tmpfs", flags, options).during(format!("make an empty `{}`", at.display()))
}
