//! What was measured, as tables or as JSON, and the bars.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::ground::Ground;
use super::start::Started;
use super::throughput::{Compared, MANY, Pace};
use crate::bench::bars::{self, Bar, ratios};
use crate::bench::figures::median;
use crate::bench::table::{Table, fine, mib, whole};

/// All of it.
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) options: String,
    /// What runs, by its version.
    pub(super) sides: Vec<String>,
    pub(super) tables: Vec<Table>,
    pub(super) bars: Vec<Bar>,
}

/// How many times as much a second of CPU gives with it as with the last one that is measured so.
fn times(all: &[Compared], compared: &Compared) -> Option<f64> {
    let is_same = |other: &&Compared| (other.flow, other.pace) == (compared.flow, compared.pace);
    let other = all.iter().rfind(is_same)?;
    if other.side == compared.side {
        return None;
    }
    let cpu = |of: &Compared| of.each(|span| span.cpu_micros);
    Some(median(ratios(&cpu(other), &cpu(compared))))
}

/// A table for each flow.
pub(super) fn throughput(all: &[Compared]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for compared in all {
        let title = compared.flow.to_string();
        if tables.last().is_none_or(|table| table.title != title) {
            let columns =
                &["a second", "p50 ms", "p99 ms", "CPU µs", "a CPU-second", "times", "failed"];
            tables.push(Table { title, columns, rows: Vec::new() });
        }
        let cpu = compared.middle(|span| span.cpu_micros);
        let figures = [
            whole(compared.middle(|span| span.per_second)),
            fine(compared.middle(|span| span.p50)),
            fine(compared.middle(|span| span.p99)),
            whole(cpu),
            whole(1e6 / cpu),
            times(all, compared).map(|times| format!("{times:.2}")).unwrap_or_default(),
            whole(compared.each(|span| span.failed).iter().sum()),
        ];
        if let Some(table) = tables.last_mut() {
            let name = format!("{}, {}", compared.side, compared.pace);
            table.rows.push((name, figures.to_vec()));
        }
    }
    tables
}

/// What the machine takes for what nobody can do without.
pub(super) fn grounds(all: &[Ground]) -> Table {
    let middle = |of: fn(&Ground) -> f64| median(all.iter().map(of).collect());
    let rows = [
        ("ES256 made, µs", middle(|ground| ground.sign)),
        ("ES256 checked, µs", middle(|ground| ground.verify)),
        ("a page on the disk, p50 ms", middle(|ground| ground.sync)),
        ("a page on the disk, p99 ms", middle(|ground| ground.sync_p99)),
    ];
    let rows = rows.map(|(name, figure)| (name.to_owned(), vec![fine(figure)]));
    Table { title: "the machine alone".to_owned(), columns: &["median"], rows: rows.into() }
}

/// What a server holds, and how soon it serves.
pub(super) fn starts(all: &[Started], loads: &[Compared]) -> Table {
    let rows = all.iter().map(|started| {
        let is_its = |compared: &&Compared| {
            compared.side == started.side && compared.pace == Pace::Closed(MANY)
        };
        let spans = loads.iter().filter(is_its).flat_map(|compared| &compared.spans);
        let peak = spans.map(|span| span.peak_kib).max();
        let figures = vec![
            whole(started.middle()),
            whole(started.millis.iter().copied().fold(f64::NAN, f64::max)),
            mib(started.idle_kib),
            peak.map(mib).unwrap_or_default(),
        ];
        (started.side.to_owned(), figures)
    });
    Table {
        title: "start to the first token, and memory in MiB".to_owned(),
        columns: &["median ms", "worst ms", "idle", "at 64 connections"],
        rows: rows.collect(),
    }
}

impl Report {
    /// The bars that were missed.
    pub(super) fn missed(&self) -> Vec<String> {
        bars::missed(&self.bars)
    }

    fn text(&self) -> String {
        let mut text = format!("token, {}; {}\n", self.options, self.machine);
        for line in &self.sides {
            let _ = writeln!(text, "{line}");
        }
        for table in &self.tables {
            table.write(&mut text);
        }
        let _ = writeln!(text, "\n{}", bars::text(&self.bars));
        text
    }

    fn json(&self) -> Value {
        json!({
            "machine": self.machine,
            "options": self.options,
            "sides": self.sides,
            "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>(),
            "bars": bars::json(&self.bars),
            "missed": self.missed(),
        })
    }

    /// Prints tables, or JSON.
    pub(super) fn print(&self, is_json: bool) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        if is_json {
            return Ok(writeln!(out, "{:#}", self.json())?);
        }
        Ok(write!(out, "{}", self.text())?)
    }
}
