//! Which core computes what: who is measured has one, whoever asks has the other.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cores {
    pub(super) load: usize,
    pub(super) server: usize,
}

impl Cores {
    /// Two of those this process may use; from now on this thread keeps to that of the load.
    ///
    /// Fails where there is only one: then both sides would wait for each other.
    pub(super) fn take() -> anyhow::Result<Self> {
        let usable = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| usable.is_set(*core));
        let load = cores.next().context("no core")?;
        let server = cores.next().context("two cores are needed: one for the load")?;
        let cores = Self { load, server };
        keep_to(cores.load)?;
        Ok(cores)
    }

    /// What `start` starts computes on the server's core alone.
    pub(super) fn serving<T>(self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        // A process is born with the cores of the thread that starts it.
        keep_to(self.server)?;
        let started = start();
        keep_to(self.load)?;
        started
    }
}

fn keep_to(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("to keep to core {core}"))
}
