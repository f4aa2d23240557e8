//! `/dev` and `/proc`: the few devices a program needs, and the run's own processes.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind};

use super::super::{During as _, Trouble};
use super::lay::place;
use super::scratch;

/// Each is one inode of the whole machine's, and so becomes read-only: its mode stays as it is.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// What the kernel tells everybody of the whole machine, and a run has no use for.
const MACHINE: [&str; 5] = ["kcore", "keys", "kmsg", "timer_list", "sched_debug"];

pub(super) fn devices(old: &Path, at: &Path) -> Result<(), Trouble> {
    scratch(at, 0o755)?;
    for name in DEVICES {
        let (from, to) = (old.join("dev").join(name), at.join(name));
        place(&to, false).during(format!("make /dev/{name}"))?;
        mount_bind(&from, &to).during(format!("lay /dev/{name}"))?;
    }
    for (name, to) in LINKS {
        symlink(to, at.join(name)).during(format!("link /dev/{name}"))?;
    }
    let terminals = at.join("pts");
    place(&terminals, true).during("make /dev/pts")?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let options = c"newinstance,ptmxmode=0666,mode=620";
    mount("marque", &terminals, "devpts", flags, options).during("make terminals")?;
    let shared = at.join("shm");
    place(&shared, true).during("make /dev/shm")?;
    scratch(&shared, 0o1777)
}

/// The run's own processes. A container that hides parts of its own `/proc` may not show another,
/// and fails here.
///
/// What else lies there is the whole machine's. Root could change its settings, and read what is
/// for root alone: so directories and what can be written are mounts of their own, which become
/// read-only, and what not everybody may read is covered.
pub(super) fn processes(at: &Path) -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("marque", at, "proc", flags, None).during("show the run's own processes")?;
    let nothing = at.join("../dev/null");
    let entries = std::fs::read_dir(at).during("look through `/proc`")?;
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_process = name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        let Ok(found) = path.symlink_metadata() else { continue };
        if is_process || found.is_symlink() {
            continue;
        }
        let mode = found.permissions().mode();
        let is_private = mode & 0o004 == 0 || MACHINE.iter().any(|other| name == *other);
        if found.is_dir() || (mode & 0o222 != 0 && !is_private) {
            mount_bind(&path, &path).during(format!("lock `{}`", path.display()))?;
        } else if is_private {
            mount_bind(&nothing, &path).during(format!("hide `{}`", path.display()))?;
        }
    }
    Ok(())
}
