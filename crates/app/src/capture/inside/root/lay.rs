//! Laying one thing into the new root.

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{XattrFlags, setxattr};
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use super::super::{During as _, Trouble};
use super::beneath::Laid;
use super::{KEPT, NEW, OLD, devices, scratch};
use crate::capture::message::{Sight, What};

/// Marks a directory in a layer as standing for what lies below it (overlayfs, `userxattr`).
const OPAQUE: &str = "user.overlay.opaque";

/// Lays it; what is not there outside is not there inside.
pub(super) fn lay(sight: &Sight, laid: &mut Laid) -> Result<(), Trouble> {
    let at = under(NEW, &sight.at);
    let from = under(OLD, &sight.at);
    let step = format!("lay `{}`", sight.at.display());
    match &sight.what {
        What::Read | What::Write => {
            let is_writable = sight.what == What::Write;
            if laid.bind_beneath(&sight.at, is_writable).during(step.clone())? {
                return Ok(());
            }
            bind(&from, &at).during(step.clone())?;
            if is_writable {
                laid.keep(&sight.at, &at).during(step)?;
            }
            Ok(())
        }
        What::Lent { .. } => {
            place(&at, true).during(step.clone())?;
            laid.borrow(&sight.at, &at).during(step)
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

fn nothing(at: &Path) -> io::Result<()> {
    let Ok(found) = at.symlink_metadata() else { return Ok(()) };
    let kept = if found.is_dir() {
        keep(|kept| std::fs::create_dir(kept))?
    } else {
        keep(|kept| File::create(kept).map(drop))?
    };
    Ok(mount_bind(&kept, at)?)
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
        directories_to(from, &top, directory)?;
        let marked = top.join(directory);
        are_opaque &= setxattr(&marked, OPAQUE, b"y", XattrFlags::empty()).is_ok();
        std::fs::set_permissions(marked, Permissions::from_mode(0o700))?;
    }
    for file in files {
        directories_to(from, &top, file.parent().unwrap_or(Path::new("")))?;
        let made = top.join(file);
        File::create(&made)?;
        std::fs::set_permissions(made, Permissions::from_mode(0o600))?;
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
        if !made.exists() {
            std::fs::create_dir(&made)?;
            let mode =
                from.join(&so_far).metadata().map_or(0o700, |found| found.permissions().mode());
            std::fs::set_permissions(made, Permissions::from_mode(mode & 0o777))?;
        }
    }
    Ok(())
}

// A colon parts the layers, a comma the options.
fn escaped(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
    Ok(text.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,"))
}

/// Makes something in a place of its own that is out of the run's sight.
fn keep(make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let kept = Path::new(KEPT).join(number.to_string());
    make(&kept)?;
    Ok(kept)
}
