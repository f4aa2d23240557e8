//! Processes the demonstration started: ended by their ids, politely and then for good.
//!
//! Looks at nobody else's: what it ends it either started itself, or it names the demonstration's
//! own directory.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// How long a process may take to leave by itself; a server takes at most ten seconds.
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks a child to end, and ends it if it does not; its exit code if it left by itself.
pub(super) async fn end(child: &mut Child) -> Option<i32> {
    drop(child.stdin.take());
    signal(child.id(), Signal::TERM);
    if let Ok(Ok(status)) = tokio::time::timeout(PATIENCE, child.wait()).await {
        return status.code();
    }
    // It may end between the two: then there is nothing left to do.
    let _ = child.kill().await;
    None
}

/// Ends every process that names `dir` in its arguments or environment; how many there were.
pub(super) async fn sweep(dir: &Path) -> usize {
    let found = mentioning(dir);
    for pid in &found {
        signal(Some(*pid), Signal::TERM);
    }
    let gone = async {
        while !mentioning(dir).is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if !found.is_empty() && tokio::time::timeout(PATIENCE, gone).await.is_err() {
        for pid in mentioning(dir) {
            signal(Some(pid), Signal::KILL);
        }
    }
    found.len()
}

/// A process and everything below it, itself first.
pub(super) fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(pids().filter(|pid| parent_of(*pid) == Some(parent)));
        at += 1;
    }
    found
}

fn mentioning(dir: &Path) -> Vec<u32> {
    let wanted = dir.as_os_str().as_encoded_bytes();
    let names_it = |pid: u32| {
        let mut said = ["cmdline", "environ"].into_iter().map(|file| read(pid, file));
        said.any(|bytes| contains(&bytes, wanted))
    };
    pids().filter(|pid| *pid != std::process::id() && names_it(*pid)).collect()
}

/// A file of `/proc/<pid>`; empty once the process is gone, or where we may not look.
pub(super) fn read(pid: u32, file: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Whether `needle` is somewhere in `bytes`.
pub(super) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

// proc_pid_stat(5): the name stands in parentheses and may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = String::from_utf8(read(pid, "stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn signal(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}
