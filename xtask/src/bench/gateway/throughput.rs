//! How many calls a second, how long each takes, and what it costs whoever stands between.

use std::fmt;
use std::time::Duration;

use super::options::Options;
use super::target::Target;
use crate::bench::drive::{Flowed, Load};
use crate::bench::figures::{median, permille, real};
use crate::bench::process;

/// Before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// Connections that calls at a fixed rate may use.
const FREE: usize = 64;
/// Calls a second of the open load.
const RATE: u32 = 1000;

/// How the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many connections, each of which calls again once it is answered.
    Closed(usize),
    /// So many calls a second, due whatever becomes of them.
    Open(u32),
}

/// All of them.
const PACES: [Pace; 5] =
    [Pace::Closed(1), Pace::Closed(16), Pace::Closed(64), Pace::Closed(512), Pace::Open(RATE)];

/// One span of one load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) calls_per_second: f64,
    /// Milliseconds of a call.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Microseconds of CPU of a call, of whoever stands between; not a number where nobody does.
    pub(super) cpu_micros: f64,
    /// Calls with another answer than 200, or none.
    pub(super) failed: f64,
    /// Calls at a fixed rate that had no answer at the end.
    pub(super) owed: f64,
}

/// The rounds of one load on one target.
pub(super) struct Compared {
    pub(super) target: &'static str,
    pub(super) pace: Pace,
    pub(super) spans: Vec<Span>,
}

impl Compared {
    /// The median of all rounds.
    pub(super) fn middle(&self, of: fn(&Span) -> f64) -> f64 {
        median(self.each(of))
    }

    pub(super) fn each(&self, of: fn(&Span) -> f64) -> Vec<f64> {
        self.spans.iter().map(of).collect()
    }
}

/// Measures every load on every target, round by round, every second round backwards.
pub(super) fn measure(targets: &[Target], options: &Options) -> anyhow::Result<Vec<Compared>> {
    let paces = match options.connections {
        Some(connections) => vec![Pace::Closed(connections)],
        None => PACES.to_vec(),
    };
    let pairs = paces.into_iter().flat_map(|pace| targets.iter().map(move |one| (pace, one)));
    let mut all: Vec<(&Target, Compared)> = pairs
        .map(|(pace, one)| (one, Compared { target: one.name, pace, spans: Vec::new() }))
        .collect();
    for round in 0..options.rounds {
        let mut order: Vec<_> = all.iter_mut().collect();
        if !round.is_multiple_of(2) {
            order.reverse();
        }
        for (target, compared) in order {
            let span = Duration::from_secs(options.seconds);
            compared.spans.push(self::span(target, compared.pace, span)?);
        }
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    Ok(all.into_iter().map(|(_, compared)| compared).collect())
}

fn span(target: &Target, pace: Pace, span: Duration) -> anyhow::Result<Span> {
    let connections = match pace {
        Pace::Closed(connections) => connections,
        Pace::Open(_) => FREE,
    };
    let mut load = Load::open(&target.ways, connections)?;
    let mut flow = |span| match pace {
        Pace::Closed(_) => load.closed(span),
        Pace::Open(rate) => load.open_loop(rate, span),
    };
    flow(WARM_UP)?;
    let before = target.cpu_seconds()?;
    let Flowed { seconds, mut millis, answered, failed, owed, .. } = flow(span)?;
    let cpu_seconds = target.cpu_seconds()? - before;
    Ok(Span {
        calls_per_second: real(answered) / seconds,
        p50: permille(&mut millis, 500),
        p99: permille(&mut millis, 990),
        cpu_micros: cpu_seconds * 1e6 / real(answered + failed),
        failed: real(failed),
        owed: real(owed),
    })
}

impl fmt::Display for Pace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1) => write!(out, "1 connection"),
            Self::Closed(connections) => write!(out, "{connections} connections"),
            Self::Open(rate) => write!(out, "{rate} calls a second"),
        }
    }
}
