//! A cgroup of the run's own, where the launcher may make one below its own (cgroups(7)).
//!
//! The run's namespace of processes ends all of them anyway; the leaf ends them in one step, bounds
//! how many there are, and shows tools outside which run a process belongs to. Where none can be
//! made, nothing is said: nothing depends on it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::first::First;

/// Where cgroups are mounted, and in which this process is.
const MOUNTS: &str = "/proc/self/mountinfo";
const OWN: &str = "/proc/self/cgroup";
/// Most processes and threads of a run, where the controller is there.
const TASKS_MAX: &str = "16384";
/// How often it is tried to remove a leaf, while the kernel still counts who was ended.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(1);
/// Leaves that a launcher left behind are removed after so long, so many at most.
const LEFT_SECS: i64 = 60;
const LEFT_MAX: usize = 1_000;
/// What every leaf's name begins with.
const PREFIX: &str = "marque-";

/// A leaf. Dropping it ends whatever is in it, and removes it.
pub(crate) struct Leaf {
    at: PathBuf,
    /// Whether the run is in it, and nobody else.
    is_occupied: bool,
}

impl Leaf {
    /// A leaf named after the run, with its first process in it; none where that is not possible.
    pub(super) fn around(run: &str, first: &First) -> Option<Self> {
        let mounts = std::fs::read_to_string(MOUNTS).ok()?;
        let own = directory(&mounts, &std::fs::read_to_string(OWN).ok()?)?;
        let leaf = Self::make(&own, run).ok()?;
        leaf.occupied_by(first)
    }

    fn make(own: &Path, run: &str) -> io::Result<Self> {
        let at = own.join(format!("{PREFIX}{run}"));
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

/// The directory of this process's own cgroup of version 2, if one is mounted.
fn directory(mounts: &str, own: &str) -> Option<PathBuf> {
    let own = Path::new(own.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split_ascii_whitespace().skip(3);
        let (root, at) = (place.next()?, place.next()?);
        // A mount whose root is not above this process shows others' cgroups.
        let below = own.strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ").then(|| Path::new(at).join(below))
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

    use super::{First, Leaf, MOUNTS, OWN, directory};

    #[test]
    fn the_own_cgroup_is_found_where_version_two_is_mounted() {
        let mounts = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      41 31 0:38 /user.slice /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "1:cpu:/\n0::/user.slice/a.service\n";
        let found = directory(mounts, own);
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/cgroup/unified/a.service")));
        assert_eq!(directory(mounts, "0::/system.slice\n"), None);
        assert_eq!(directory(mounts, "1:cpu:/\n"), None);
        assert_eq!(directory("", own), None);
    }

    #[test]
    fn whatever_is_in_a_leaf_ends_with_it() {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let own = directory(&read(MOUNTS), &read(OWN));
        let name = format!("test-{}", std::process::id());
        let leaf = own.and_then(|own| Leaf::make(&own, &name).ok());
        let Some(leaf) = leaf.filter(|leaf| leaf.at.join("cgroup.kill").exists()) else {
            let said = b"SKIPPED: no cgroup can be made here\n";
            std::io::stderr().write_all(said).unwrap();
            return;
        };
        let at = leaf.at.clone();
        let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
        let first = First::new(process.id().try_into().unwrap()).unwrap();
        let leaf = leaf.occupied_by(&first).unwrap();
        assert!(read(&format!("/proc/{}/cgroup", process.id())).contains(&name));
        drop(leaf);
        assert!(!process.wait().unwrap().success());
        assert!(!at.exists());
    }
}
