//! What a captured run that is open and idle costs the server, after it made one call.

use anyhow::ensure;

use super::site::{Site, TLS};
use crate::bench::shell::Shell;

/// Runs that come and go first: what is kept for good is no run's.
const BEFORE: usize = 8;

/// The server's resident memory, and how many runs made the difference.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub(super) runs: usize,
    pub(super) before_kib: u64,
    pub(super) after_kib: u64,
}

impl Memory {
    /// KiB of one run.
    pub(super) fn kib_per_run(self) -> u64 {
        let runs = u64::try_from(self.runs).unwrap_or(u64::MAX).max(1);
        self.after_kib.saturating_sub(self.before_kib) / runs
    }
}

pub(super) fn measure(site: &Site, runs: usize) -> anyhow::Result<Memory> {
    drop(open(site, BEFORE)?);
    let before_kib = site.server().resident_kib()?;
    let held = open(site, runs)?;
    let after_kib = site.server().resident_kib()?;
    drop(held);
    Ok(Memory { runs, before_kib, after_kib })
}

fn open(site: &Site, runs: usize) -> anyhow::Result<Vec<Shell>> {
    let mut held = Vec::new();
    for number in 0..runs {
        let mut run = site.run("captured")?;
        let called = run.says(&format!("curl -sS -w ' %{{http_code}}' {TLS}{number}"))?;
        ensure!(called.ends_with("200"), "a call was not answered: {called}");
        held.push(run);
    }
    Ok(held)
}
