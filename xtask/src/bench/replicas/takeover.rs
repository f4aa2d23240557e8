//! A server is lost while all of them work: killed, or stopped in the middle of whatever it does.
//!
//! No server leads, so none takes over. What corresponds is how long the others answer nothing,
//! for the lost one may hold the turn.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::kill::millis;
use super::load::{Load, Mix, Sample, one_call, request};
use super::site::{SERVERS, Site};
use super::stream::Flow;
use crate::bench::clock::eventually;

/// The server that is lost.
const LOST: usize = SERVERS - 1;
const WARM_UP: Duration = Duration::from_millis(700);
/// How long the doors are watched before and after.
const WATCH: Duration = Duration::from_millis(2_500);
/// After that long without a word it is dismissed, and a little more.
const DISMISSED: Duration = Duration::from_millis(11_500);
const PATIENCE: Duration = Duration::from_secs(20);

/// What one loss did. Times in milliseconds.
pub(super) struct Loss {
    /// The longest that a door of the others answered nothing in the time before.
    pub(super) calm_gap: f64,
    /// The same around the loss.
    pub(super) gap: f64,
    /// Calls at those doors that were refused or broken off.
    pub(super) refused: usize,
    /// Whether a stream through another server was cut.
    pub(super) is_stream_cut: bool,
    /// From its start or continuation until it answers again.
    pub(super) back: f64,
}

/// What the others do for a server that is gone, and what it does if it comes back.
pub(super) struct Dismissal {
    /// Milliseconds from its death until nothing of what it had under way was left open.
    pub(super) settled: f64,
    /// Milliseconds from its death until a run it held was refused elsewhere.
    pub(super) orphaned: f64,
    /// Milliseconds from the continuation of one that was stopped too long until it ended.
    pub(super) ended: f64,
    /// What it ended with.
    pub(super) code: i32,
    /// Calls that were made to it after it was stopped, and answered.
    pub(super) answered: usize,
}

/// Kills the server without warning, then starts it anew.
pub(super) fn kill(site: &mut Site) -> anyhow::Result<Loss> {
    let mut loss = lose(site, Signal::KILL, || Ok(f64::NAN))?;
    let begun = site.clock.now();
    site.restart(LOST)?;
    loss.back = millis(back(site)?) - millis(begun);
    Ok(loss)
}

/// Stops the server wherever it is, for less than it takes to be dismissed, then lets it go on.
pub(super) fn pause(site: &Site) -> anyhow::Result<Loss> {
    lose(site, Signal::STOP, || {
        let begun = site.clock.now();
        site.server(LOST)?.signal(Signal::CONT);
        Ok(millis(back(site).context("stopped and continued")?) - millis(begun))
    })
}

// `again` before the load ends: what it asked a stopped server has no answer until then.
fn lose(site: &Site, how: Signal, again: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<Loss> {
    let load = Load::start(site, &site.postgres, SERVERS, Mix::Both);
    let proofs = site.postgres.proofs();
    let proof = proofs.first().context("the load has runs")?;
    let stream = Flow::stream(site.clock, site.server(0)?.door, proof)?;
    sleep(WARM_UP + WATCH);
    let lost = site.clock.now();
    site.server(LOST)?.signal(how);
    sleep(WATCH);
    let end = site.clock.now();
    let back = again()?;
    let is_stream_cut = stream.end()?.is_some();
    let samples = load.end()?;
    let others = samples.iter().filter(|sample| {
        sample.door != LOST && (lost..end).contains(&sample.at) && !sample.is_answered()
    });
    Ok(Loss {
        calm_gap: longest_gap(&samples, lost.saturating_sub(WATCH), lost),
        gap: longest_gap(&samples, lost, end),
        refused: others.count(),
        is_stream_cut,
        back,
    })
}

/// Kills it and waits until the others have settled what it left; stops it until it is dismissed,
/// and lets it go on.
pub(super) fn dismiss(site: &mut Site) -> anyhow::Result<Dismissal> {
    let victim = site.run(LOST)?;
    let flowing = Flow::stream(site.clock, site.server(LOST)?.door, &victim.proof)?;
    site.server(LOST)?.signal(Signal::KILL);
    let lost = site.clock.now();
    let ask = request("/v1/items/7", &victim.proof, None);
    let door = site.server(0)?.door;
    let mut settled = None;
    let orphaned = eventually(PATIENCE, || {
        let open = "SELECT count(*) FROM intents WHERE replica = 'server-3'";
        if settled.is_none() && site.database.count(open)? == 0 {
            settled = Some(site.clock.now());
        }
        let is_refused = one_call(None, door, &ask).0 == 403;
        Ok((is_refused && settled.is_some()).then(|| site.clock.now()))
    })?;
    let orphaned = orphaned.context("what a killed server left is not settled")?;
    let settled = settled.context("what a killed server left is not settled")?;
    flowing.end()?;
    drop(victim);
    site.restart(LOST)?;
    back(site)?;
    let (ended, code, answered) = overstay(site)?;
    Ok(Dismissal {
        settled: millis(settled) - millis(lost),
        orphaned: millis(orphaned) - millis(lost),
        ended,
        code,
        answered,
    })
}

fn overstay(site: &mut Site) -> anyhow::Result<(f64, i32, usize)> {
    let load = Load::start(site, &site.postgres, SERVERS, Mix::Both);
    sleep(WARM_UP);
    let stopped = site.clock.now();
    site.server(LOST)?.signal(Signal::STOP);
    sleep(DISMISSED);
    site.server(LOST)?.signal(Signal::CONT);
    let begun = site.clock.now();
    let clock = site.clock;
    let server = site.postgres.servers.get_mut(LOST).context("there are three servers")?;
    let ended = eventually(PATIENCE, || server.ended())?;
    let code = ended.context("a dismissed server goes on")?;
    let ended = millis(clock.now()) - millis(begun);
    let samples = load.end()?;
    let there = samples.iter().filter(|sample| sample.door == LOST && sample.is_answered());
    let answered = there.filter(|sample| sample.at > stopped + sample.took).count();
    site.restart(LOST)?;
    back(site)?;
    Ok((ended, code, answered))
}

/// When the lost server answers again.
fn back(site: &Site) -> anyhow::Result<Duration> {
    let door = site.server(LOST)?.door;
    let proofs = site.postgres.proofs();
    let ask = request("/v1/items/7", proofs.first().context("the load has runs")?, None);
    let mut last = 0;
    let answers = || {
        last = one_call(None, door, &ask).0;
        Ok((last == 200).then(|| site.clock.now()))
    };
    let answered = eventually(PATIENCE, answers)?;
    answered.with_context(|| format!("a server does not come back: its last answer is {last}"))
}

/// The longest that one of the doors of the others answered nothing, in milliseconds.
fn longest_gap(samples: &[Sample], from: Duration, to: Duration) -> f64 {
    (0..LOST).map(|door| gap_at(samples, door, from, to)).fold(0.0, f64::max)
}

fn gap_at(samples: &[Sample], door: usize, from: Duration, to: Duration) -> f64 {
    let answered = samples.iter().filter(|sample| sample.door == door && sample.is_answered());
    let moments = answered.map(|sample| sample.at).filter(|at| *at < to);
    let mut moments: Vec<Duration> = moments.chain([Duration::ZERO, to]).collect();
    moments.sort_unstable();
    let ends = moments.iter().skip(1).copied();
    let gaps = moments.iter().copied().zip(ends).filter(|(_, end)| *end >= from);
    let longest = gaps.map(|(begin, end)| end.saturating_sub(begin)).max();
    millis(longest.unwrap_or_default())
}

/// Fails unless the others can do without it: this plane needs three servers.
pub(super) fn require_all(site: &mut Site) -> anyhow::Result<()> {
    for server in &mut site.postgres.servers {
        ensure!(server.ended()?.is_none(), "`{}` ended by itself", server.data);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Sample, longest_gap};

    fn sample(door: usize, millis: u64, status: u16) -> Sample {
        let at = Duration::from_millis(millis);
        Sample { door, at, took: Duration::ZERO, status }
    }

    #[test]
    fn a_gap_is_what_no_answer_interrupts_at_a_door_that_was_not_lost() {
        let samples = [
            sample(0, 100, 200),
            sample(0, 300, 200),
            sample(0, 500, 403),
            sample(0, 900, 200),
            sample(1, 150, 200),
            sample(1, 1_000, 200),
            sample(2, 100, 200),
        ];
        let gap = |from, to| {
            longest_gap(&samples, Duration::from_millis(from), Duration::from_millis(to))
        };
        assert!((gap(100, 1_001) - 850.0).abs() < 1e-6);
        assert!((gap(100, 600) - 450.0).abs() < 1e-6, "what comes later is not seen yet");
        assert!((gap(1_000, 3_000) - 2_100.0).abs() < 1e-6, "one that goes on counts");
    }
}
