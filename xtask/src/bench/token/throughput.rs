//! How many requests a second, how long each takes, and what it costs the server.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;

use super::flow::{self, Flow};
use super::ground::Ground;
use super::options::Options;
use super::prepare::Keys;
use super::side::Side;
use crate::bench::drive::{Flowed, Load};
use crate::bench::figures::{median, permille, real};
use crate::bench::places::Places;
use crate::bench::process;

/// Connections of the closed loads; the last is what half of is the open one.
pub(super) const CONNECTIONS: [usize; 3] = [1, 16, MANY];
pub(super) const MANY: usize = 64;
/// Requests that a server is warmed up with, and that say how many a span needs.
const FIRST: usize = 400;
/// How long those may take.
const WARM_UP: Duration = Duration::from_secs(20);
/// Requests of one span at most.
const SPAN_MAX: f64 = 60_000.0;
/// How many more are prepared than are expected to be answered.
const SPARE: f64 = 1.5;

/// How the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many connections, each of which asks again once it is answered.
    Closed(usize),
    /// Half of what 64 connections came to, due whatever becomes of it.
    Half,
}

/// One span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) per_second: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Of a request, of the server's process.
    pub(super) cpu_micros: f64,
    /// The most memory that was resident.
    pub(super) peak_kib: u64,
    /// Requests with another answer than 200, or none.
    pub(super) failed: f64,
}

/// The rounds of one load on one server.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) side: &'static str,
    pub(super) flow: Flow,
    pub(super) pace: Pace,
    pub(super) spans: Vec<Span>,
}

impl Compared {
    pub(super) fn each(&self, of: fn(&Span) -> f64) -> Vec<f64> {
        self.spans.iter().map(of).collect()
    }

    /// The median of all rounds.
    pub(super) fn middle(&self, of: fn(&Span) -> f64) -> f64 {
        median(self.each(of))
    }
}

/// Measures every load on every server, round by round, every second round backwards.
pub(super) fn measure(
    sides: &[Side],
    (places, keys): (&Places, &Keys),
    options: &Options,
) -> anyhow::Result<(Vec<Compared>, Vec<Ground>)> {
    let mut all: Vec<(&Side, Compared)> = Vec::new();
    let flows = flow::all().into_iter().filter(|flow| options.has(*flow));
    for flow in flows.clone() {
        let paces = CONNECTIONS.map(Pace::Closed).into_iter().chain([Pace::Half]);
        for pace in paces.filter(|pace| options.has_pace(*pace)) {
            let able = sides.iter().filter(|side| side.can(flow));
            let of = |side: &Side| Compared { side: side.name, flow, pace, spans: Vec::new() };
            all.extend(able.map(|side| (side, of(side))));
        }
    }
    // What is only slow at first belongs to no round: programs that are compiled while they run.
    for flow in flows {
        for side in sides.iter().filter(|side| side.can(flow)) {
            Asked { side, keys, flow, seconds: 1 }.closed(MANY)?;
        }
    }
    let mut grounds = Vec::new();
    for round in 0..options.rounds {
        grounds.push(Ground::measure(places, keys)?);
        let mut order: Vec<usize> = (0..all.len()).collect();
        if !round.is_multiple_of(2) {
            order.reverse();
        }
        for number in order {
            let half = half_of_many(&all, number);
            let Some((side, compared)) = all.get_mut(number) else { continue };
            let asked = Asked { side, keys, flow: compared.flow, seconds: options.seconds };
            let span = match compared.pace {
                Pace::Closed(connections) => asked.closed(connections)?,
                Pace::Half => asked.half(half)?,
            };
            compared.spans.push(span);
        }
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    Ok((all.into_iter().map(|(_, compared)| compared).collect(), grounds))
}

/// Half of what the same flow came to on that server with 64 connections, if it was measured yet.
fn half_of_many(all: &[(&Side, Compared)], number: usize) -> Option<f64> {
    let (_, wanted) = all.get(number)?;
    let is_many = |compared: &&Compared| {
        compared.pace == Pace::Closed(MANY)
            && (compared.side, compared.flow) == (wanted.side, wanted.flow)
    };
    let many = all.iter().map(|(_, compared)| compared).find(is_many)?;
    let rate = many.middle(|span| span.per_second) / 2.0;
    rate.is_finite().then_some(rate)
}

/// What is asked of which server, for how long.
struct Asked<'a> {
    side: &'a Side,
    keys: &'a Keys,
    flow: Flow,
    seconds: u64,
}

impl Asked<'_> {
    fn closed(&self, connections: usize) -> anyhow::Result<Span> {
        let ways = [self.side.way()];
        let mut load = Load::open(&ways, connections)?;
        let rate = self.warm_up(&mut load)?;
        self.feed(&mut load, rate * SPARE)?;
        let seconds = Duration::from_secs(self.seconds);
        self.measured(|| load.closed(seconds))
    }

    /// At a fixed rate; without one it is taken from a warm-up.
    fn half(&self, rate: Option<f64>) -> anyhow::Result<Span> {
        let ways = [self.side.way()];
        let mut load = Load::open(&ways, MANY)?;
        let warm = self.warm_up(&mut load)?;
        let rate = rate.unwrap_or(warm / 2.0);
        self.feed(&mut load, rate * SPARE)?;
        let seconds = Duration::from_secs(self.seconds);
        self.measured(|| load.open_loop(whole(rate), seconds))
    }

    /// Requests a second of the first few.
    fn warm_up(&self, load: &mut Load<'_>) -> anyhow::Result<f64> {
        load.feed(self.keys.prepare(self.side, self.flow, FIRST)?);
        let Flowed { seconds, answered, failed, last_failure, .. } = load.closed(WARM_UP)?;
        load.settle()?;
        let (name, flow) = (self.side.name, self.flow);
        ensure!(answered > failed, "{name} answers {last_failure:?} to {flow}");
        Ok(real(answered) / seconds)
    }

    fn feed(&self, load: &mut Load<'_>, rate: f64) -> anyhow::Result<()> {
        let count = (rate * real(self.seconds)).min(SPAN_MAX);
        let count = usize::try_from(whole(count))? + MANY;
        load.feed(self.keys.prepare(self.side, self.flow, count)?);
        Ok(())
    }

    fn measured(&self, flow: impl FnOnce() -> anyhow::Result<Flowed>) -> anyhow::Result<Span> {
        let watched = self.side.watched();
        let before = watched.begin()?;
        let Flowed { seconds, mut millis, answered, failed, .. } = flow()?;
        let cost = watched.since(&before)?;
        Ok(Span {
            per_second: real(answered) / seconds,
            p50: permille(&mut millis, 500),
            p99: permille(&mut millis, 990),
            cpu_micros: cost.cpu_seconds * 1e6 / real(answered + failed),
            peak_kib: watched.peak_kib()?,
            failed: real(failed),
        })
    }
}

/// A count of calls, of which there is at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of calls is far below what a u32 holds"
)]
fn whole(figure: f64) -> u32 {
    figure.max(1.0) as u32
}

impl fmt::Display for Pace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1) => write!(out, "1 connection"),
            Self::Closed(connections) => write!(out, "{connections} connections"),
            Self::Half => write!(out, "half of that, at a fixed rate"),
        }
    }
}
