//! What was measured, against the bars.
//!
//! Medians count, and the worst round may be 15 % beyond its bar.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::json;

use super::doors::{Doors, Span};
use super::memory::Memory;
use super::start::Round;
use crate::bench::figures::{median, worst};

/// Milliseconds that a captured start may take more than plain `true`.
const START_MS: f64 = 25.0;
/// The same in the worst round.
const WORST_START_MS: f64 = START_MS * 1.15;
/// What a captured run may cost the server.
const MEMORY_KIB: u64 = 1024;

#[derive(Default)]
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) starts: Vec<Round>,
    pub(super) doors: Vec<Doors>,
    pub(super) memory: Option<Memory>,
}

/// Milliseconds more than plain `true`: the median of all, and of the worst round.
struct Added {
    median: f64,
    worst: f64,
}

impl Added {
    fn of(rounds: &[Round], kind: fn(&Round) -> &Vec<f64>) -> Self {
        let added = |plain: Vec<f64>, kind: Vec<f64>| (median(kind) - median(plain)) * 1000.0;
        let each = rounds.iter().map(|round| added(round.plain.clone(), kind(round).clone()));
        let all = |of: fn(&Round) -> &Vec<f64>| {
            rounds.iter().flat_map(|round| of(round).clone()).collect::<Vec<_>>()
        };
        Self {
            median: added(all(|round| &round.plain), all(kind)),
            worst: worst(&each.collect::<Vec<_>>()),
        }
    }
}

impl Report {
    /// The bars that were missed.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if !self.starts.is_empty() {
            let Added { median, worst } = self.captured();
            if median >= START_MS {
                missed.push(format!("start: {median:.1} ms more, less than {START_MS} wanted"));
            }
            if worst >= WORST_START_MS {
                missed.push(format!("start: worst {worst:.1} ms, {WORST_START_MS} at most"));
            }
        }
        let each = self.memory.map_or(0, Memory::kib_per_run);
        if each >= MEMORY_KIB {
            missed.push(format!("memory: {each} KiB of each run, less than {MEMORY_KIB} wanted"));
        }
        missed
    }

    fn captured(&self) -> Added {
        Added::of(&self.starts, |round| &round.captured)
    }

    fn advisory(&self) -> Added {
        Added::of(&self.starts, |round| &round.advisory)
    }

    fn text(&self) -> String {
        let mut text = format!("captured runs; {}\n", self.machine);
        if !self.starts.is_empty() {
            let plain = self.starts.iter().flat_map(|round| round.plain.clone()).collect();
            let starts: usize = self.starts.iter().map(|round| round.captured.len()).sum();
            let plain: f64 = median(plain);
            let _ = writeln!(
                text,
                "\n`marque run -- true` over `true` ({:.1} ms), {starts} starts in {} rounds\n\
                 {:24}{:>10}{:>10}",
                plain * 1000.0,
                self.starts.len(),
                "",
                "median ms",
                "worst ms",
            );
            for (name, Added { median, worst }) in
                [("advisory", self.advisory()), ("captured", self.captured())]
            {
                let _ = writeln!(text, "{name:24}{median:>+10.1}{worst:>+10.1}");
            }
        }
        self.text_of_doors(&mut text);
        if let Some(memory) = self.memory {
            let Memory { runs, before_kib, after_kib } = memory;
            let each = memory.kib_per_run();
            let _ = writeln!(
                text,
                "\n{runs} idle captured runs: the server from {before_kib} to {after_kib} KiB, \
                 {each} KiB each"
            );
        }
        text + &format!(
            "bars: captured start < +{START_MS} ms, worst < +{WORST_START_MS:.2} ms; memory < \
             {MEMORY_KIB} KiB\n"
        )
    }

    fn text_of_doors(&self, text: &mut String) {
        if self.doors.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\n{:24}{:>22}{:>22}{:>16}\n{:24}{:>22}{:>22}{:>16}",
            "GET",
            "proxy door",
            "captured door",
            "ratio",
            "",
            "calls/s  p50  p99 ms",
            "calls/s  p50  p99 ms",
            "median   worst",
        );
        for doors in &self.doors {
            let side = |spans: &[Span]| {
                let Span { calls_per_second, p50, p99 } = middle(spans);
                format!("{calls_per_second:.0}{p50:>7.2}{p99:>7.2}")
            };
            let (median, worst) = ratios(doors);
            let (proxy, captured) = (side(&doors.proxy), side(&doors.captured));
            let _ = writeln!(
                text,
                "{:24}{proxy:>22}{captured:>22}{median:>8.3}{worst:>8.3}",
                doors.name
            );
        }
    }

    fn json(&self) -> serde_json::Value {
        let spans = |spans: &[Span]| {
            let each = spans.iter().map(|Span { calls_per_second, p50, p99 }| {
                json!({ "calls_per_second": calls_per_second, "p50": p50, "p99": p99 })
            });
            each.collect::<Vec<_>>()
        };
        let starts = self.starts.iter().map(|round| {
            json!({
                "plain": round.plain, "advisory": round.advisory, "captured": round.captured,
            })
        });
        let doors = self.doors.iter().map(|doors| {
            json!({
                "name": doors.name,
                "proxy": spans(&doors.proxy),
                "captured": spans(&doors.captured),
                "ratio": ratios(doors).0,
            })
        });
        json!({
            "machine": self.machine,
            "captured_start_ms": self.captured().median,
            "advisory_start_ms": self.advisory().median,
            "starts": starts.collect::<Vec<_>>(),
            "doors": doors.collect::<Vec<_>>(),
            "memory_kib_per_run": self.memory.map(Memory::kib_per_run),
            "missed": self.missed(),
        })
    }
}

fn middle(spans: &[Span]) -> Span {
    let of = |value: fn(&Span) -> f64| median(spans.iter().map(value).collect());
    Span {
        calls_per_second: of(|span| span.calls_per_second),
        p50: of(|span| span.p50),
        p99: of(|span| span.p99),
    }
}

/// The captured door's throughput as a part of the proxy door's: the median and the worst.
fn ratios(doors: &Doors) -> (f64, f64) {
    let pairs = doors.captured.iter().zip(&doors.proxy);
    let all: Vec<f64> =
        pairs.map(|(captured, proxy)| captured.calls_per_second / proxy.calls_per_second).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    (median(all), least)
}

/// Prints tables, or JSON.
pub(super) fn print(report: &Report, is_json: bool) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if is_json {
        return Ok(writeln!(out, "{:#}", report.json())?);
    }
    Ok(write!(out, "{}", report.text())?)
}

#[cfg(test)]
mod tests {
    use super::{Doors, Memory, Report, Round, Span};

    fn report(captured: f64, after_kib: u64) -> Report {
        let round = |captured| Round {
            plain: vec![0.001; 3],
            advisory: vec![0.011; 3],
            captured: vec![captured; 3],
        };
        let span = |calls_per_second| Span { calls_per_second, p50: 1.25, p99: 3.5 };
        Report {
            machine: "2 x a core".to_owned(),
            starts: vec![round(captured), round(captured), round(0.021)],
            doors: vec![Doors {
                name: "plain",
                proxy: vec![span(1000.0)],
                captured: vec![span(900.0)],
            }],
            memory: Some(Memory { runs: 10, before_kib: 1000, after_kib }),
        }
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        assert_eq!(report(0.0259, 11_239).missed(), Vec::<String>::new());
        let missed = report(0.0265, 11_239).missed();
        assert!(missed.len() == 1 && missed[0].starts_with("start: 25.5 ms"), "{missed:?}");
        let missed = report(0.0310, 1000).missed();
        assert!(missed.len() == 2 && missed[1].starts_with("start: worst 30.0 ms"), "{missed:?}");
        let missed = report(0.0100, 11_240).missed();
        assert!(missed.len() == 1 && missed[0].starts_with("memory: 1024 KiB"), "{missed:?}");
    }

    #[test]
    fn the_tables_name_the_machine_and_every_figure() {
        let text = report(0.0259, 6120).text();
        for figure in
            ["2 x a core", "(1.0 ms)", "+10.0", "+24.9", "1000   1.25", "0.900", "512 KiB"]
        {
            assert!(text.contains(figure), "no {figure} in\n{text}");
        }
    }
}
