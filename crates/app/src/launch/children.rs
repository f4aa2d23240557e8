//! What a run leaves behind: processes whose parent is gone become ours, and are ended here.
//!
//! Only direct children are signalled, and only this process reaps them, so that a number can never
//! have been given to somebody else in between. Ending one hands its own children to us in turn.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
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

/// Held while somebody waits for a child that they have just started.
static APART: Mutex<()> = Mutex::new(());

/// Starts a child and waits for its end, which nobody else takes leave of meanwhile. It is a short
/// one.
pub(crate) fn apart<T>(start: impl FnOnce() -> T) -> T {
    let _held = APART.lock().unwrap_or_else(PoisonError::into_inner);
    start()
}

/// Takes leave of adopted children that have ended. `main` is somebody else's to wait for.
pub(crate) fn reap(main: Option<Pid>) {
    let _held = APART.lock().unwrap_or_else(PoisonError::into_inner);
    for child in children().into_iter().filter(|child| Some(*child) != main) {
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
