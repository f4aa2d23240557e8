//! What must hold: a median against its limit, and the worst round within 15 % of it.

use super::leaf::Leaves;
use super::memory::{Memory, Own};
use super::throughput::{Compared, Pace, Span};
use crate::bench::figures::{median, real};

/// How far the worst round may be beyond a limit.
const SLACK: f64 = 0.15;

/// One bar and what was measured of it, by round. Without rounds it is not judged.
pub(super) struct Bar {
    pub(super) what: String,
    pub(super) limit: f64,
    pub(super) is_least: bool,
    pub(super) rounds: Vec<f64>,
}

impl Bar {
    fn least(what: &str, limit: f64, rounds: Vec<f64>) -> Self {
        Self { what: what.to_owned(), limit, is_least: true, rounds }
    }

    fn most(what: &str, limit: f64, rounds: Vec<f64>) -> Self {
        Self { what: what.to_owned(), limit, is_least: false, rounds }
    }

    pub(super) fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// The round that is furthest on the wrong side.
    pub(super) fn worst(&self) -> f64 {
        let pick = if self.is_least { f64::min } else { f64::max };
        self.rounds.iter().copied().fold(f64::NAN, pick)
    }

    /// Whether it holds; none if nothing was measured.
    pub(super) fn holds(&self) -> Option<bool> {
        if self.rounds.is_empty() {
            return None;
        }
        let (median, worst, limit) = (self.median(), self.worst(), self.limit);
        Some(if self.is_least {
            median >= limit && worst >= limit * (1.0 - SLACK)
        } else {
            median <= limit && worst <= limit * (1.0 + SLACK)
        })
    }
}

/// The bars of plain HTTP.
pub(super) fn plain(all: &[Compared]) -> Vec<Bar> {
    vec![
        Bar::least(
            "calls/s at 64 connections, to HAProxy verifying a JWT",
            3.0,
            ratios(all, "HAProxy, JWT"),
        ),
        Bar::least("calls/s at 64 connections, to nginx", 0.5, ratios(all, "nginx")),
        Bar::most("added p50 at 1 connection, ms", 0.15, added(all)),
        Bar::most("CPU of a call at 64 connections, µs", 110.0, cpu(all)),
    ]
}

/// The bars of TLS.
pub(super) fn tls(all: &[Compared]) -> Vec<Bar> {
    vec![
        Bar::least("TLS, calls/s at 64 connections, to Squid", 2.0, ratios(all, "Squid ssl_bump")),
        Bar::least("TLS, calls/s at 64 connections, to mitmproxy", 15.0, ratios(all, "mitmproxy")),
        Bar::most("TLS, CPU of a call at 64 connections, µs", 90.0, cpu(all)),
    ]
}

/// The bar of new connections.
pub(super) fn leaves(all: &[Leaves]) -> Vec<Bar> {
    let ours = all.iter().filter(|leaves| leaves.target == "Marque");
    let rounds = ours.flat_map(|leaves| &leaves.rounds);
    let medians = rounds.map(|round| median(round.cold.shaken.clone()));
    vec![Bar::most("a new connection with a cold leaf, ms", 1.5, medians.collect())]
}

/// The bars of memory.
pub(super) fn memory(rest_kib: u64, all: &[Memory], own: &Own) -> Vec<Bar> {
    let mib = |kib: u64| real(kib) / 1024.0;
    let busy = all.iter().filter(|memory| memory.target == "Marque");
    let busy = busy.map(|memory| mib(memory.busy)).collect();
    let [runs, kib] = own.runs;
    vec![
        Bar::most("memory at rest, MiB", 20.0, vec![mib(rest_kib)]),
        Bar::most("memory with 64 busy connections, MiB", 50.0, busy),
        Bar::most("memory of an open run without doors, KiB", 3.0, vec![real(kib) / real(runs)]),
    ]
}

fn find<'a>(all: &'a [Compared], target: &str, pace: Pace) -> Option<&'a Compared> {
    all.iter().find(|compared| compared.target == target && compared.pace == pace)
}

/// Marque's calls a second as a part of a peer's, by round.
fn ratios(all: &[Compared], peer: &str) -> Vec<f64> {
    let rate = |span: &Span| span.calls_per_second;
    both(all, ("Marque", peer), Pace::Closed(64), rate, |ours, theirs| ours / theirs)
}

fn added(all: &[Compared]) -> Vec<f64> {
    let half = |span: &Span| span.p50;
    both(all, ("Marque", "direct"), Pace::Closed(1), half, |ours, direct| ours - direct)
}

fn cpu(all: &[Compared]) -> Vec<f64> {
    let ours = find(all, "Marque", Pace::Closed(64));
    ours.map(|ours| ours.each(|span| span.cpu_micros)).unwrap_or_default()
}

fn both(
    all: &[Compared],
    (one, other): (&str, &str),
    pace: Pace,
    of: fn(&Span) -> f64,
    put: fn(f64, f64) -> f64,
) -> Vec<f64> {
    let pair = find(all, one, pace).zip(find(all, other, pace));
    let pair = pair.map(|(one, other)| one.each(of).into_iter().zip(other.each(of)));
    pair.into_iter().flatten().map(|(one, other)| put(one, other)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bar, Compared, Pace, Span, plain};

    fn compared(target: &'static str, calls_per_second: f64) -> Compared {
        let span =
            Span { calls_per_second, p50: 0.5, p99: 1.0, cpu_micros: 90.0, failed: 0.0, owed: 0.0 };
        Compared { target, pace: Pace::Closed(64), spans: vec![span; 3] }
    }

    #[test]
    fn a_bar_holds_by_its_median_and_its_worst_round() {
        let least = |rounds: &[f64]| Bar::least("", 2.0, rounds.to_vec()).holds();
        assert_eq!(least(&[2.0, 2.1, 1.7]), Some(true));
        assert_eq!(least(&[2.0, 2.1, 1.69]), Some(false));
        assert_eq!(least(&[1.9, 1.9, 3.0]), Some(false));
        let most = |rounds: &[f64]| Bar::most("", 2.0, rounds.to_vec()).holds();
        assert_eq!(most(&[2.0, 2.3, 1.0]), Some(true));
        assert_eq!(most(&[2.0, 2.4, 1.0]), Some(false));
        assert_eq!(most(&[]), None);
    }

    #[test]
    fn a_peer_that_is_absent_is_not_judged() {
        let bars = plain(&[compared("Marque", 5000.0), compared("nginx", 8000.0)]);
        let verdicts: Vec<_> = bars.iter().map(Bar::holds).collect();
        assert_eq!(verdicts, [None, Some(true), None, Some(true)]);
    }
}
