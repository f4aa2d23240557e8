//! Laying one thing into the new root.

use std::ffi::CString;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, XattrFlags, openat2, setxattr};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use super::super::{During as _, Trouble};
use super::beneath::Laid;
use super::{KEPT, NEW, OLD, devices, scratch};
use crate::capture::message::{Sight, What};

/// Marks a directory in a layer as standing for what lies below it (overlayfs, `userxattr`).
const OPAQUE: &str = "user.overlay.opaque";
/// Of a directory that only the user is to read.
const PRIVATE: u32 = 0o700;

/// Lays it; what is not there outside is not there inside.
pub(super) fn lay(sight: &Sight, laid: &mut Laid) -> Result<(), Trouble> {
    let at = under(NEW, &sight.at);
    let from = under(OLD, &sight.at);
    let step = format!("lay `{}`", sight.at.display());
    match &sight.what {
        What::Read | What::Write => {
            if laid.bind_beneath(&sight.at, sight.what == What::Write).during(step.clone())? {
                return Ok(());
            }
            let Some(source) = straight(&from).during(step.clone())? else { return Ok(()) };
            let through_source = through(OLD, &source);
            let there = place_straight(&at, through_source.is_dir()).during(step.clone())?;
            mount_bind_recursive(through_source, through(OLD, &there)).during(step)
        }
        What::Lent { .. } => {
            let there = place_straight(&at, true).during(step.clone())?;
            laid.borrow(&sight.at, &there).during(step)
        }
        What::From(other) => bind(&under(OLD, other), &at).during(step),
        What::Scratch { mode } => {
            place(&at, true).during(step)?;
            scratch(&at, *mode)
        }
        What::Layered { directories, files, is_writable } => {
            if !from.is_dir() {
                return Ok(());
            }
            place(&at, true).during(step.clone())?;
            let are_empty = layer(&from, &at, (directories, files), *is_writable).during(step)?;
            let covered = directories.iter().filter(|_| !are_empty);
            covered.map(|name| at.join(name)).try_for_each(|name| scratch(&name, 0o700))
        }
        What::Nothing => nothing(&at).during(step),
        What::Text(text) => {
            place(&at, false).during(step.clone())?;
            let kept = keep(|kept| std::fs::write(kept, text)).during(step.clone())?;
            mount_bind(&kept, &at).during(step)
        }
        What::Link(to) => {
            let _there = at.parent().map(std::fs::create_dir_all);
            symlink(to, &at).during(step)
        }
        What::Processes => {
            place(&at, true).during(step)?;
            devices::processes(&at)
        }
        What::Devices => {
            place(&at, true).during(step)?;
            devices::devices(Path::new(OLD), &at)
        }
    }
}

fn under(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}

fn bind(from: &Path, at: &Path) -> io::Result<()> {
    let Ok(found) = from.metadata() else { return Ok(()) };
    place(at, found.is_dir())?;
    Ok(mount_bind_recursive(from, at)?)
}

/// What lies at a path, if no part of the path is a link: whoever writes in the working directory
/// could make one at any moment, and lead a mount elsewhere.
pub(super) fn straight(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(Errno::LOOP) => Err(io::Error::other("a part of its path is a link")),
        Err(error) => Err(error.into()),
    }
}

/// A path to exactly that, where `/proc` lies below `root`.
pub(super) fn through(root: &str, found: &OwnedFd) -> PathBuf {
    format!("{root}/proc/self/fd/{}", found.as_raw_fd()).into()
}

/// Something to mount on, where nothing is.
pub(super) fn place(at: &Path, is_directory: bool) -> io::Result<()> {
    if at.exists() {
        return Ok(());
    }
    if is_directory {
        return std::fs::create_dir_all(at);
    }
    if let Some(parent) = at.parent() {
        std::fs::create_dir_all(parent)?;
    }
    File::create(at).map(drop)
}

/// The same, where no part of the path is a link; what is there now.
fn place_straight(at: &Path, is_directory: bool) -> io::Result<OwnedFd> {
    place(at, is_directory)?;
    straight(at)?.ok_or_else(|| io::Error::other("it is gone"))
}

fn nothing(at: &Path) -> io::Result<()> {
    let Some(found) = straight(at)? else { return Ok(()) };
    let kept = if through(OLD, &found).is_dir() {
        keep(|kept| std::fs::create_dir(kept))?
    } else {
        keep(|kept| File::create(kept).map(drop))?
    };
    Ok(mount_bind(&kept, through(OLD, &found))?)
}

// overlayfs: a file in the upper lower layer stands for whatever lies below it, and so does a
// directory that is marked opaque. Whether they could be marked is returned: before Linux 6.6 no
// file system in memory keeps the mark.
fn layer(
    from: &Path,
    at: &Path,
    (directories, files): (&[PathBuf], &[PathBuf]),
    is_writable: bool,
) -> io::Result<bool> {
    let kept = keep(|kept| std::fs::create_dir(kept))?;
    let [top, above, work] = ["top", "above", "work"].map(|name| kept.join(name));
    std::fs::create_dir(&top)?;
    let mut are_opaque = true;
    for directory in directories {
        directories_to(from, &top, directory.parent().unwrap_or(Path::new("")))?;
        let marked = top.join(directory);
        if !is_new(&marked)? {
            std::fs::set_permissions(&marked, Permissions::from_mode(PRIVATE))?;
        }
        are_opaque &= setxattr(&marked, OPAQUE, b"y", XattrFlags::empty()).is_ok();
    }
    for file in files {
        directories_to(from, &top, file.parent().unwrap_or(Path::new("")))?;
        File::options().write(true).create(true).truncate(true).mode(0o600).open(top.join(file))?;
    }
    std::fs::set_permissions(&top, from.metadata()?.permissions())?;
    let mut options = format!("userxattr,lowerdir={}:{}", escaped(&top)?, escaped(from)?);
    if is_writable {
        std::fs::create_dir(&above)?;
        std::fs::create_dir(&work)?;
        std::fs::set_permissions(&above, from.metadata()?.permissions())?;
        let layers = format!(",upperdir={},workdir={}", escaped(&above)?, escaped(&work)?);
        options += &layers;
    }
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("marque", at, "overlay", flags, options.as_c_str())?;
    Ok(are_opaque)
}

/// That directory in the top layer, with the permissions it has outside, or private.
fn directories_to(from: &Path, top: &Path, directory: &Path) -> io::Result<()> {
    let mut so_far = PathBuf::new();
    for part in directory.components() {
        so_far.push(part);
        let made = top.join(&so_far);
        if is_new(&made)?
            && let Ok(found) = from.join(&so_far).metadata()
        {
            let mode = found.permissions().mode() & 0o777;
            std::fs::set_permissions(made, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Makes a private directory, where none is; whether none was.
fn is_new(at: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(PRIVATE).create(at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

// A colon parts the layers, a comma the options.
fn escaped(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
    Ok(text.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,"))
}

/// Makes something in a place of its own that is out of the run's sight.
pub(super) fn keep(make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let kept = Path::new(KEPT).join(number.to_string());
    make(&kept)?;
    Ok(kept)
}
