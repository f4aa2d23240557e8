//! What was measured, as tables or as JSON, and the bars.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::bars::Bar;
use super::leaf::{Leaves, Opened};
use super::memory::{Held, Large, Memory, Own};
use super::throughput::Compared;
use crate::bench::figures::{median, permille, real};
use crate::bench::table::{Table, fine, mib, whole};

/// All of it.
#[derive(Default)]
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) options: String,
    pub(super) tables: Vec<Table>,
    pub(super) bars: Vec<Bar>,
    /// Programs that are not installed.
    pub(super) skipped: Vec<&'static str>,
}

/// A table for each load.
pub(super) fn throughput(what: &str, all: &[Compared]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for compared in all {
        let title = format!("{what}, {}", compared.pace);
        if tables.last().is_none_or(|table| table.title != title) {
            let columns = &["calls/s", "p50 ms", "p99 ms", "CPU µs", "failed", "owed"];
            tables.push(Table { title, columns, rows: Vec::new() });
        }
        let figures = [
            whole(compared.middle(|span| span.calls_per_second)),
            fine(compared.middle(|span| span.p50)),
            fine(compared.middle(|span| span.p99)),
            whole(compared.middle(|span| span.cpu_micros)),
            whole(compared.each(|span| span.failed).iter().sum()),
            whole(compared.each(|span| span.owed).iter().sum()),
        ];
        if let Some(table) = tables.last_mut() {
            table.rows.push((compared.target.to_owned(), figures.to_vec()));
        }
    }
    tables
}

/// New connections.
pub(super) fn leaves(all: &[Leaves], micros_of_a_signature: f64) -> Table {
    let mut rows = Vec::new();
    for leaves in all {
        for (kind, of) in [("cold", 0), ("warm", 1)] {
            let opened = |round: &super::leaf::Round| -> [Vec<f64>; 2] {
                let Opened { shaken, answered, .. } =
                    if of == 0 { &round.cold } else { &round.warm };
                [shaken.clone(), answered.clone()]
            };
            let [mut shaken, answered]: [Vec<f64>; 2] = [0, 1].map(|which: usize| {
                let each = leaves
                    .rounds
                    .iter()
                    .flat_map(|round| opened(round).into_iter().nth(which).unwrap_or_default());
                each.collect()
            });
            let cpu = leaves.rounds.iter().map(|round| {
                if of == 0 { round.cold.cpu_micros() } else { round.warm.cpu_micros() }
            });
            let figures = vec![
                shaken.len().to_string(),
                fine(permille(&mut shaken, 500)),
                fine(permille(&mut shaken, 990)),
                fine(median(answered)),
                whole(median(cpu.collect())),
            ];
            rows.push((format!("{}, {kind}", leaves.target), figures));
        }
    }
    Table {
        title: format!("new connections in TLS; one signature {micros_of_a_signature:.0} µs"),
        columns: &["count", "shaken p50 ms", "p99 ms", "answered p50 ms", "CPU µs"],
        rows,
    }
}

/// Memory of each program.
pub(super) fn memory(what: &str, all: &[Memory]) -> Table {
    let rows = all.iter().map(|memory| {
        let Held { tried, served, before_kib, after_kib } = memory.held;
        let [rss, pss] = memory.idle;
        let figures = vec![
            mib(rss),
            mib(pss),
            mib(memory.busy),
            format!("{served} of {tried}"),
            mib(after_kib),
            format!("{:.1}", real(after_kib.saturating_sub(before_kib)) / real(served as u64)),
            large(&memory.down),
            large(&memory.up),
        ];
        (memory.target.to_owned(), figures)
    });
    Table {
        title: format!("memory in MiB, {what}"),
        columns: &[
            "RSS",
            "PSS",
            "64 busy",
            "idle held",
            "RSS then",
            "KiB each",
            "1 GiB down",
            "1 GiB up",
        ],
        rows: rows.collect(),
    }
}

/// Memory that only Marque has.
pub(super) fn own([rss, pss]: [u64; 2], own: &Own) -> Table {
    let Own { strangers: [silent, left], runs: [runs, kib] } = own;
    let each = real(*kib) / real(*runs);
    Table {
        title: "memory of Marque's own".to_owned(),
        columns: &["figure"],
        rows: vec![
            (
                "started, asked nothing: RSS, PSS".into(),
                vec![format!("{}, {}", mib(rss), mib(pss))],
            ),
            (format!("of {silent} silent connections left"), vec![left.to_string()]),
            (format!("each of {runs} open runs, KiB"), vec![format!("{each:.1}")]),
        ],
    }
}

impl Report {
    /// The bars that were missed.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.bars.iter().filter(|bar| bar.holds() == Some(false));
        missed.map(Bar::told).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("gateway, {}; {}\n", self.options, self.machine);
        for name in &self.skipped {
            let _ = writeln!(text, "skipped: {name} is not installed");
        }
        for table in &self.tables {
            table.write(&mut text);
        }
        let _ = writeln!(text, "\nbars");
        for bar in &self.bars {
            let verdict = match bar.holds() {
                None => "not judged",
                Some(true) => "held",
                Some(false) => "MISSED",
            };
            let _ = writeln!(text, "  {verdict:10} {}", bar.told());
        }
        text
    }

    fn json(&self) -> Value {
        let tables = self.tables.iter().map(Table::json);
        let bars = self.bars.iter().map(|bar| {
            let Bar { what, limit, rounds, .. } = bar;
            json!({ "bar": what, "limit": limit, "rounds": rounds, "holds": bar.holds() })
        });
        json!({
            "machine": self.machine,
            "options": self.options,
            "skipped": self.skipped,
            "tables": tables.collect::<Vec<_>>(),
            "bars": bars.collect::<Vec<_>>(),
            "missed": self.missed(),
        })
    }
}

impl Bar {
    fn told(&self) -> String {
        let Self { what, limit, is_least, rounds } = self;
        let side = if *is_least { "at least" } else { "at most" };
        if rounds.is_empty() {
            return format!("{what}: {side} {limit}");
        }
        format!("{what}: {:.2} (worst {:.2}), {side} {limit}", self.median(), self.worst())
    }
}

/// Prints tables, or JSON.
pub(super) fn print(report: &Report, is_json: bool) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if is_json {
        return Ok(writeln!(out, "{:#}", report.json())?);
    }
    Ok(write!(out, "{}", report.text())?)
}

fn large(large: &Large) -> String {
    let told = format!("+{} in {:.1} s", mib(large.more_kib), large.seconds);
    large.broke.as_ref().map_or(told, |why| format!("broke: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{Compared, Report, throughput};
    use crate::bench::gateway::bars;
    use crate::bench::gateway::throughput::{Pace, Span};

    fn compared(target: &'static str, pace: Pace, calls_per_second: f64) -> Compared {
        let span = Span {
            calls_per_second,
            p50: 0.125,
            p99: 2.5,
            cpu_micros: 77.0,
            failed: 3.0,
            owed: 5.0,
        };
        Compared { target, pace, spans: vec![span] }
    }

    #[test]
    fn the_table_names_every_figure_and_every_verdict() {
        let pace = Pace::Closed(64);
        let all = [compared("nginx", pace, 9000.0), compared("Marque", pace, 6000.0)];
        let report = Report {
            machine: "2 x a core".to_owned(),
            tables: throughput("plain", &all),
            bars: bars::plain(&all),
            skipped: vec!["HAProxy"],
            ..Report::default()
        };
        let text = report.text();
        for said in [
            "2 x a core",
            "plain, 64 connections",
            "9000",
            "0.125",
            "2.500",
            "77",
            "skipped: HAProxy",
            "held       calls/s at 64 connections, to nginx: 0.67",
            "not judged calls/s at 64 connections, to HAProxy",
        ] {
            assert!(text.contains(said), "no `{said}` in\n{text}");
        }
        assert_eq!(report.missed(), Vec::<String>::new());
        assert_eq!(report.json()["tables"][0]["rows"][1]["figures"]["calls/s"], "6000");
    }
}
