//! `/dev` and `/proc`: the few devices a program needs, and the run's own processes.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind};

use super::super::{During as _, Trouble};
use super::lay::place;
use super::mounted::read_only;
use super::scratch;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// Settings of the kernel, which a run of root could write.
const SETTINGS: [&str; 5] = ["sys", "irq", "bus", "fs", "sysrq-trigger"];
/// What the kernel tells of the whole machine.
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
pub(super) fn processes(at: &Path) -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("marque", at, "proc", flags, None).during("show the run's own processes")?;
    for name in SETTINGS.map(|name| at.join(name)).iter().filter(|name| name.exists()) {
        let step = || format!("lock `{}`", name.display());
        mount_bind(name, name).during(step())?;
        read_only(name).during(step())?;
    }
    let nothing = at.join("../dev/null");
    for name in MACHINE.map(|name| at.join(name)).iter().filter(|name| name.exists()) {
        let step = || format!("hide `{}`", name.display());
        mount_bind(&nothing, name).during(step())?;
    }
    Ok(())
}
