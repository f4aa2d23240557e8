//! A run is killed at one server while it streams and calls at all of them.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;

use super::site::Site;
use super::stream::Flow;

/// After that long nothing of a killed run may go on.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);
/// How long a run calls before it is killed.
const BEFORE: Duration = Duration::from_millis(300);
/// How long it is watched past the deadline.
const PAST: Duration = Duration::from_millis(400);

/// What was seen of one kill. Times in milliseconds.
pub(super) struct Kill {
    /// Whether the load flowed beside it.
    pub(super) is_loaded: bool,
    /// How long the command took.
    pub(super) command: f64,
    /// From the command's start to the last byte of the last stream.
    pub(super) cut_since_start: f64,
    /// The same from its end; below nought if all was cut before it said so.
    pub(super) cut_since_answer: f64,
    /// From the command's end to the last door's first refusal.
    pub(super) refused_since_answer: f64,
    /// From the cut at the server that was asked to the last cut at another.
    pub(super) lag: f64,
    /// Calls that reached the upstream after the command's end.
    pub(super) after: usize,
    /// Calls that reached it after the deadline.
    pub(super) late: usize,
}

impl Kill {
    /// Kills a new run at the first server, and watches.
    pub(super) fn watch(site: &Site, number: usize, is_loaded: bool) -> anyhow::Result<Self> {
        let (clock, doors) = (site.clock, site.postgres.doors());
        let run = site.run(0)?;
        let streams = doors.iter().map(|door| Flow::stream(clock, *door, &run.proof));
        let streams: Vec<Flow> = streams.collect::<anyhow::Result<_>>()?;
        let calls = doors.iter().map(|door| Flow::calls(clock, *door, &run.proof, number));
        let calls: Vec<Flow> = calls.collect();
        sleep(BEFORE);
        let start = clock.now();
        site.places.told(&site.server(0)?.data, &["kill", &run.id])?;
        let answer = clock.now();
        sleep(DEADLINE + PAST);
        let end = |flow: Flow| flow.end()?.context("a killed run goes on past its deadline");
        let cuts = streams.into_iter().map(end).collect::<anyhow::Result<Vec<_>>>()?;
        let refusals = calls.into_iter().map(end).collect::<anyhow::Result<Vec<_>>>()?;
        let (first, others) = cuts.split_first().context("three servers have three doors")?;
        let last = |moments: &[Duration]| moments.iter().copied().max().unwrap_or_default();
        let arrived = site.upstream.noted(number);
        let later = |moment| arrived.iter().filter(|at| **at > moment).count();
        Ok(Self {
            is_loaded,
            command: millis(answer) - millis(start),
            cut_since_start: millis(last(&cuts)) - millis(start),
            cut_since_answer: millis(last(&cuts)) - millis(answer),
            refused_since_answer: millis(last(&refusals)) - millis(answer),
            lag: millis(last(others)) - millis(*first),
            after: later(answer),
            late: later(answer + DEADLINE),
        })
    }
}

pub(super) fn millis(moment: Duration) -> f64 {
    moment.as_secs_f64() * 1e3
}
