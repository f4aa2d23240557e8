//! What a run leaves behind: processes whose parent is gone become ours, and are ended here.
//!
//! Only direct children are signalled, and only this process reaps them, so that a number can never
//! have been given to somebody else in between. Ending one hands its own children to us in turn.

use std::collections::{BTreeSet, HashSet};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::time::{Instant, sleep};

/// How long what is left over may take to end by itself, and then to be gone.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);

/// Makes this process the one that orphans below it are given to (prctl(2)).
pub(crate) fn adopt() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Children that somebody waits for who started them.
static APART: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child that nobody else takes leave of before this is dropped.
pub(crate) struct Apart(Child);

impl Apart {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        // ORDER: nobody looks for children before its number is known.
        let mut apart = apart();
        let child = command.spawn()?;
        apart.insert(child.id());
        Ok(Self(child))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        apart().remove(&self.0.id());
    }
}

fn apart() -> MutexGuard<'static, BTreeSet<u32>> {
    APART.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes leave of adopted children that have ended. `main` is somebody else's to wait for.
pub(crate) fn reap(main: Option<Pid>) {
    let apart = apart();
    let is_theirs =
        |child: &Pid| child.as_raw_pid().try_into().is_ok_and(|pid| apart.contains(&pid));
    for child in children().into_iter().filter(|child| Some(*child) != main && !is_theirs(child)) {
        // Fails if it ended and was taken leave of in between.
        let _ = rustix::process::waitpid(Some(child), WaitOptions::NOHANG);
    }
}

/// Ends every process that is left: asks for two seconds, then insists. Whether all are gone.
pub(crate) async fn end_all() -> bool {
    for how in [Signal::TERM, Signal::KILL] {
        let until = Instant::now() + PATIENCE;
        let mut told = HashSet::new();
        while Instant::now() < until {
            reap(None);
            let left = children();
            if left.is_empty() {
                return true;
            }
            for child in left {
                if told.insert(child) || how == Signal::KILL {
                    let _ = rustix::process::kill_process(child, how);
                }
            }
            sleep(PAUSE).await;
        }
    }
    reap(None);
    children().is_empty()
}

/// The children of all our threads (proc_tid_children(5)).
fn children() -> Vec<Pid> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
            pids.filter_map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}
