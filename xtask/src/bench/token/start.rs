//! From the start of the process to its first token, and what it holds then.

use std::thread::sleep;
use std::time::Duration;

use super::ask::Asker;
use super::prepare::Keys;
use super::side::Side;
use crate::bench::clock::timed;
use crate::bench::figures::median;

/// Before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// One server, started so many times.
pub(super) struct Started {
    pub(super) side: &'static str,
    pub(super) millis: Vec<f64>,
    pub(super) idle_kib: u64,
}

impl Started {
    pub(super) fn middle(&self) -> f64 {
        median(self.millis.clone())
    }
}

/// Starts it `rounds` times, each time until it has issued a token; the last one goes on.
pub(super) fn measure(
    keys: &Keys,
    rounds: usize,
    start: impl Fn() -> anyhow::Result<Side>,
) -> anyhow::Result<(Side, Started)> {
    let mut millis = Vec::new();
    let mut first = || {
        let (side, seconds) = timed(|| {
            let side = start()?;
            let request = keys.with_assertion(&side, None)?;
            Asker::open(&side.way())?.ask(&request)?.text("access_token")?;
            anyhow::Ok(side)
        });
        millis.push(seconds * 1e3);
        side
    };
    for _ in 1..rounds {
        drop(first()?);
    }
    let side = first()?;
    sleep(REST);
    let idle_kib = side.watched().resident_kib()?;
    let started = Started { side: side.name, millis, idle_kib };
    Ok((side, started))
}
