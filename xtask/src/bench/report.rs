//! What was measured, against the bars.
//!
//! Medians count, and the worst round may be 15 % below its bar.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::json;

use super::figures::median;
use super::process::Cost;

/// The gateway's speed as a part of direct speed.
const RATIO: f64 = 0.95;
/// The same in the worst round.
const WORST_RATIO: f64 = RATIO * 0.85;
/// More memory while something is transferred.
const MEMORY_KIB: u64 = 8 * 1024;

/// One transfer through the gateway.
pub(super) struct Transfer {
    pub(super) seconds: f64,
    pub(super) cost: Cost,
}

/// The same transfer on both sides.
pub(super) struct Round {
    pub(super) direct_seconds: f64,
    pub(super) inside: Transfer,
}

/// Transfers that stood still; their rounds were begun anew.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Stalls {
    pub(super) direct: usize,
    pub(super) gateway: usize,
}

/// All of them.
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) protocol: &'static str,
    pub(super) size_mib: usize,
    /// Megabits a second of the link to the git host.
    pub(super) link: Option<usize>,
    pub(super) idle_kib: u64,
    pub(super) clone: Vec<Round>,
    pub(super) push: Vec<Round>,
    pub(super) stalls: Stalls,
}

/// What counts of some rounds.
#[derive(Debug)]
struct Summary {
    direct_seconds: f64,
    gateway_seconds: f64,
    ratio: f64,
    worst_ratio: f64,
    memory_kib: u64,
    cpu_seconds: f64,
}

impl Summary {
    fn of(rounds: &[Round]) -> Self {
        let each = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
        let ratios = each(|round| round.direct_seconds / round.inside.seconds);
        Self {
            direct_seconds: median(each(|round| round.direct_seconds)),
            gateway_seconds: median(each(|round| round.inside.seconds)),
            worst_ratio: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio: median(ratios),
            memory_kib: rounds.iter().map(|round| round.inside.cost.memory_kib).max().unwrap_or(0),
            cpu_seconds: median(each(|round| round.inside.cost.cpu_seconds)),
        }
    }

    fn missed(&self, name: &str) -> Vec<String> {
        let mut missed = Vec::new();
        if self.ratio < RATIO {
            missed.push(format!("{name}: ratio {:.3}, {RATIO} at least", self.ratio));
        }
        if self.worst_ratio < WORST_RATIO {
            let worst = self.worst_ratio;
            missed.push(format!("{name}: worst ratio {worst:.3}, {WORST_RATIO:.3} at least"));
        }
        if self.memory_kib >= MEMORY_KIB {
            let grown = mib(self.memory_kib);
            missed.push(format!("{name}: {grown:.1} MiB more memory, less than 8 wanted"));
        }
        missed
    }
}

impl Report {
    /// The bars that were missed.
    pub(super) fn missed(&self) -> Vec<String> {
        let summaries = self.summaries();
        summaries.iter().flat_map(|(name, summary)| summary.missed(name)).collect()
    }

    fn summaries(&self) -> [(&'static str, Summary); 2] {
        [("clone", Summary::of(&self.clone)), ("push", Summary::of(&self.push))]
    }

    fn text(&self) -> String {
        let (size, rounds) = (self.size_mib, self.clone.len());
        let link = self.link.map(|rate| format!(", a link of {rate} Mbit/s")).unwrap_or_default();
        let mut text = format!(
            "git over {}, {size} MiB, {rounds} rounds{link}; {}\n\
             server at rest: {:.1} MiB\n\n\
             {:7}{:>18}{:>18}{:>16}{:>12}{:>12}\n\
             {:7}{:>18}{:>18}{:>16}{:>12}{:>12}\n",
            self.protocol,
            self.machine,
            mib(self.idle_kib),
            "",
            "direct",
            "gateway",
            "ratio",
            "memory",
            "server",
            "",
            "s    MiB/s",
            "s    MiB/s",
            "median   worst",
            "worst MiB",
            "CPU s/GiB",
        );
        for (name, summary) in self.summaries() {
            let speed = |seconds: f64| format!("{seconds:.2}{:>9.1}", self.mib() / seconds);
            let _ = writeln!(
                text,
                "{name:7}{:>18}{:>18}{:>16}{:>12}{:>12.2}",
                speed(summary.direct_seconds),
                speed(summary.gateway_seconds),
                format!("{:.3}{:>8.3}", summary.ratio, summary.worst_ratio),
                format!("+{:.1}", mib(summary.memory_kib)),
                self.per_gib(summary.cpu_seconds),
            );
        }
        let Stalls { direct, gateway } = self.stalls;
        if direct + gateway > 0 {
            let _ =
                writeln!(text, "stood still, round begun anew: {direct} direct, {gateway} gateway");
        }
        text + &format!("bars: median >= {RATIO}, worst >= {WORST_RATIO:.3}, memory < +8.0\n")
    }

    fn json(&self) -> serde_json::Value {
        let rounds = |rounds: &[Round]| {
            let each = rounds.iter().map(|round| {
                json!({
                    "direct_seconds": round.direct_seconds,
                    "gateway_seconds": round.inside.seconds,
                    "memory_kib": round.inside.cost.memory_kib,
                    "cpu_seconds": round.inside.cost.cpu_seconds,
                })
            });
            each.collect::<Vec<_>>()
        };
        let [clone, push] = self.summaries().map(|(_, summary)| {
            json!({
                "direct_mib_per_second": self.mib() / summary.direct_seconds,
                "gateway_mib_per_second": self.mib() / summary.gateway_seconds,
                "ratio": summary.ratio,
                "worst_ratio": summary.worst_ratio,
                "memory_kib": summary.memory_kib,
                "cpu_seconds_per_gib": self.per_gib(summary.cpu_seconds),
            })
        });
        json!({
            "machine": self.machine,
            "protocol": self.protocol,
            "size_mib": self.size_mib,
            "link_megabits": self.link,
            "idle_kib": self.idle_kib,
            "stalls": { "direct": self.stalls.direct, "gateway": self.stalls.gateway },
            "clone": { "summary": clone, "rounds": rounds(&self.clone) },
            "push": { "summary": push, "rounds": rounds(&self.push) },
            "missed": self.missed(),
        })
    }

    fn mib(&self) -> f64 {
        f64::from(u32::try_from(self.size_mib).unwrap_or(u32::MAX))
    }

    fn per_gib(&self, seconds: f64) -> f64 {
        seconds * 1024.0 / self.mib()
    }
}

/// Prints a table, or JSON.
pub(super) fn print(report: &Report, is_json: bool) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if is_json {
        return Ok(writeln!(out, "{:#}", report.json())?);
    }
    Ok(write!(out, "{}", report.text())?)
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::{Cost, Report, Round, Stalls, Transfer};

    fn round(direct_seconds: f64, seconds: f64, memory_kib: u64) -> Round {
        let cost = Cost { memory_kib, cpu_seconds: 0.5 };
        Round { direct_seconds, inside: Transfer { seconds, cost } }
    }

    fn report(clone: Vec<Round>) -> Report {
        Report {
            machine: "2 x a core".to_owned(),
            protocol: "HTTP/2",
            size_mib: 200,
            link: Some(500),
            idle_kib: 16 * 1024,
            push: vec![round(1.0, 1.0, 0)],
            stalls: Stalls { direct: 1, gateway: 2 },
            clone,
        }
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        let missed = |rounds: Vec<Round>| report(rounds).missed();
        assert_eq!(missed(vec![round(1.0, 1.0, 8191)]), Vec::<String>::new());
        assert!(missed(vec![round(1.0, 1.0, 8192)])[0].starts_with("clone: 8.0 MiB"));
        assert!(missed(vec![round(0.9, 1.0, 0)])[0].starts_with("clone: ratio 0.900"));
        let one_bad = vec![round(1.0, 1.0, 0), round(1.0, 1.0, 0), round(0.7, 1.0, 0)];
        assert!(missed(one_bad)[0].starts_with("clone: worst ratio 0.700"));
    }

    #[test]
    fn the_table_names_the_machine_and_every_figure() {
        let text = report(vec![round(2.0, 2.5, 3 * 1024)]).text();
        for figure in [
            "2 x a core",
            "500 Mbit/s",
            "100.0",
            "80.0",
            "0.800",
            "+3.0",
            "2.56",
            "HTTP/2",
            "1 direct, 2",
        ] {
            assert!(text.contains(figure), "no {figure} in\n{text}");
        }
    }
}
