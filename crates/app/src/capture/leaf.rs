//! A cgroup of the run's own, where the launcher's own is delegated to whoever it runs as
//! (cgroups(7), "Delegation").
//!
//! The run's namespace of processes ends all of them anyway; the leaf ends them in one step, bounds
//! how many there are, and shows tools outside which run a process belongs to. Where none can be
//! made, nothing is said: nothing depends on it.
//!
//! Moving a process takes the kernel some ten milliseconds, in which it waits for every processor
//! to have looked up. So the first process is moved while what it builds is built, and before there
//! is any other.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::awaited::Awaited;
use super::first::First;

/// Where cgroups are mounted, and in which this process is.
const MOUNTS: &str = "/proc/self/mountinfo";
const OWN: &str = "/proc/self/cgroup";
/// How systemd marks what it leaves to others, for whoever runs as root.
const DELEGATED: &[&str] = &["user.delegate", "trusted.delegate"];
/// What holds the run's id.
const RUN: &str = "user.marque.run";
/// Most processes and threads of a run, where the controller is there.
const TASKS_MAX: &str = "16384";
/// How often it is tried to remove a leaf, while the kernel still counts who was ended.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(1);
/// Leaves that a launcher left behind are removed after so long, so many at most.
const LEFT_SECS: i64 = 60;
const LEFT_MAX: usize = 1_000;
/// What every leaf's name begins with.
const PREFIX: &str = "marque-run-";

/// A leaf. Dropping it ends whatever is in it, and removes it.
pub(super) struct Leaf {
    at: PathBuf,
    /// Whether the run is in it, and nobody else.
    is_occupied: bool,
}

impl Leaf {
    /// Begins to make one, named after the run's first process and with it inside; none where that
    /// is not possible.
    pub(super) fn around(first: &First) -> io::Result<Awaited<Option<Self>>> {
        let first = first.again()?;
        Awaited::begin("leaf", move || {
            let leaf = Self::make(&delegated()?, &first.number().to_string()).ok()?;
            leaf.occupied_by(&first)
        })
    }

    /// Says for which run it is, to whoever looks at it from outside.
    pub(super) fn is_of(&self, run: &str) {
        let _unsaid = setxattr(&self.at, RUN, run.as_bytes(), XattrFlags::empty());
    }

    fn make(own: &Path, name: &str) -> io::Result<Self> {
        let at = own.join(format!("{PREFIX}{name}"));
        // One of that name was left behind, if there is one.
        let _none = std::fs::remove_dir(&at);
        std::fs::create_dir(&at)?;
        let leaf = Self { at, is_occupied: false };
        remove_what_is_left(own, &leaf.at);
        // Not there where the controller is not enabled for it.
        let bound = leaf.at.join("pids.max");
        if bound.exists() {
            std::fs::write(bound, TASKS_MAX)?;
        }
        Ok(leaf)
    }

    fn occupied_by(mut self, first: &First) -> Option<Self> {
        std::fs::write(self.at.join("cgroup.procs"), first.number().to_string()).ok()?;
        // ORDER: after it was moved. If it still lives its number is its own, and nobody else was.
        self.is_occupied = first.is_alive();
        self.is_occupied.then_some(self)
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if self.is_occupied {
            // Since Linux 5.14.
            let _ended = std::fs::write(self.at.join("cgroup.kill"), "1");
        }
        for _ in 0..TRIES {
            match std::fs::remove_dir(&self.at) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
    }
}

/// The directory of this process's own cgroup, if it may make others in it.
pub(crate) fn delegated() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string(MOUNTS).ok()?;
    let (own, top) = directory(&mounts, &std::fs::read_to_string(OWN).ok()?)?;
    is_delegated(&own, &top).then_some(own)
}

// Root may write to all of them, and whoever manages them would not know of it.
fn is_delegated(own: &Path, top: &Path) -> bool {
    let user = rustix::process::geteuid();
    if !user.is_root() {
        return own.metadata().is_ok_and(|found| found.uid() == user.as_raw());
    }
    let is_marked = |at: &Path| {
        DELEGATED.iter().any(|name| {
            let mut value = [0; 1];
            getxattr(at, *name, &mut value) == Ok(1) && value == *b"1"
        })
    };
    own.ancestors().take_while(|at| at.starts_with(top)).any(is_marked)
}

/// The directory of this process's own cgroup of version 2, if one is mounted, and of the topmost.
fn directory(mounts: &str, own: &str) -> Option<(PathBuf, PathBuf)> {
    let own = Path::new(own.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split_ascii_whitespace().skip(3);
        let (root, at) = (place.next()?, place.next()?);
        // A mount whose root is not above this process shows others' cgroups.
        let below = own.strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ").then(|| (Path::new(at).join(below), at.into()))
    })
}

// Removing fails for whichever still has a process; a new one is given time to get its first.
fn remove_what_is_left(own: &Path, ours: &Path) {
    let Ok(now) = ours.metadata().map(|found| found.ctime()) else { return };
    let entries = std::fs::read_dir(own).into_iter().flatten().flatten().take(LEFT_MAX);
    let leaves = entries.filter(|entry| {
        let is_leaf = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_old = || entry.metadata().is_ok_and(|found| found.ctime() + LEFT_SECS < now);
        is_leaf && is_old()
    });
    for leaf in leaves {
        let _busy = std::fs::remove_dir(leaf.path());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::Command;

    use rustix::fs::{XattrFlags, getxattr, setxattr};

    use super::{First, Leaf, MOUNTS, OWN, directory, is_delegated};

    #[test]
    fn the_own_cgroup_is_found_where_version_two_is_mounted() {
        let mounts = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      41 31 0:38 /user.slice /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "1:cpu:/\n0::/user.slice/a.service\n";
        let (found, top) = directory(mounts, own).unwrap();
        assert_eq!(found, Path::new("/sys/fs/cgroup/unified/a.service"));
        assert_eq!(top, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(directory(mounts, "0::/system.slice\n"), None);
        assert_eq!(directory(mounts, "1:cpu:/\n"), None);
        assert_eq!(directory("", own), None);
    }

    #[test]
    fn whatever_is_in_a_leaf_ends_with_it_and_only_in_what_is_delegated_one_is_made() {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let own = directory(&read(MOUNTS), &read(OWN));
        let name = format!("test-{}", std::process::id());
        // A cgroup of the test's own, to be delegated or not.
        let made = own.and_then(|(own, top)| Some((Leaf::make(&own, &name).ok()?, top)));
        let Some((own, top)) = made.filter(|(own, _)| own.at.join("cgroup.kill").exists()) else {
            let said = b"SKIPPED: no cgroup can be made here\n";
            std::io::stderr().write_all(said).unwrap();
            return;
        };
        if rustix::process::geteuid().is_root() {
            assert!(!is_delegated(&own.at, &top));
            setxattr(&own.at, "user.delegate", b"1", XattrFlags::empty()).unwrap();
        }
        assert!(is_delegated(&own.at, &top));
        let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
        let first = First::new(process.id().try_into().unwrap()).unwrap();
        let leaf = Leaf::make(&own.at, "leaf").unwrap().occupied_by(&first).unwrap();
        assert!(read(&format!("/proc/{}/cgroup", process.id())).contains(&name));
        leaf.is_of("run_1");
        let mut run = [0; 5];
        assert_eq!(getxattr(&leaf.at, super::RUN, &mut run), Ok(5));
        assert_eq!(run, *b"run_1");
        let at = leaf.at.clone();
        drop(leaf);
        assert!(!process.wait().unwrap().success());
        assert!(!at.exists());
    }
}
