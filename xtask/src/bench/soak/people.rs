//! What humans do meanwhile: open runs, and kill them.

use std::thread::sleep;
use std::time::Duration;

use crate::bench::clock::{Clock, timed};
use crate::bench::figures::worst;
use crate::bench::gateway::{Site, Target};

/// Between two runs.
const EVERY: Duration = Duration::from_secs(10);

/// What became of it in one lap.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Runs that were opened, called, and were killed.
    pub(super) killed: u64,
    /// Calls of killed runs that were answered by the upstream.
    pub(super) after_death: u64,
    /// The slowest `marque kill`, in milliseconds, its start and the passphrase among them.
    pub(super) slowest_kill: f64,
}

/// Opens a run every so often, has it call, kills it, and has it call again.
pub(super) fn at_work(site: &Site, plain: &Target, span: Duration) -> anyhow::Result<People> {
    let (clock, mut people, mut millis) = (Clock::start(), People::default(), Vec::new());
    let mut due = Duration::ZERO;
    while due < span {
        sleep(due.saturating_sub(clock.now()));
        due += EVERY;
        let run = site.run()?;
        let before = site.calls(&run)?;
        anyhow::ensure!(before == 200, "a new run is answered {before} by {}", plain.name);
        let (killed, seconds) = timed(|| site.kill(&run));
        killed?;
        millis.push(seconds * 1e3);
        people.killed += 1;
        people.after_death += u64::from(site.calls(&run)? == 200);
    }
    people.slowest_kill = worst(&millis);
    Ok(people)
}
