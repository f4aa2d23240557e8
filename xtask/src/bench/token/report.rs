//! What was measured, as tables or as JSON, and the bars.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::start::Started;
use super::throughput::{Compared, MANY, Pace};
use crate::bench::bars::{self, Bar};
use crate::bench::table::{Table, fine, mib, whole};

/// All of it.
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) options: String,
    /// What runs, by its version.
    pub(super) sides: Vec<String>,
    /// What was not measured, and why.
    pub(super) absent: Vec<&'static str>,
    pub(super) tables: Vec<Table>,
    pub(super) bars: Vec<Bar>,
}

/// A table for each flow.
pub(super) fn throughput(all: &[Compared]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for compared in all {
        let title = compared.flow.to_string();
        if tables.last().is_none_or(|table| table.title != title) {
            let columns = &["a second", "p50 ms", "p99 ms", "CPU µs", "a CPU-second", "failed"];
            tables.push(Table { title, columns, rows: Vec::new() });
        }
        let cpu = compared.middle(|span| span.cpu_micros);
        let figures = [
            whole(compared.middle(|span| span.per_second)),
            fine(compared.middle(|span| span.p50)),
            fine(compared.middle(|span| span.p99)),
            whole(cpu),
            whole(1e6 / cpu),
            whole(compared.each(|span| span.failed).iter().sum()),
        ];
        if let Some(table) = tables.last_mut() {
            let name = format!("{}, {}", compared.side, compared.pace);
            table.rows.push((name, figures.to_vec()));
        }
    }
    tables
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
    /// The bars that were missed, or that there was nothing to judge.
    pub(super) fn missed(&self) -> Vec<String> {
        let absent = self.absent.iter().map(|why| (*why).to_owned());
        absent.chain(bars::missed(&self.bars)).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("token, {}; {}\n", self.options, self.machine);
        for line in self.sides.iter().map(String::as_str).chain(self.absent.iter().copied()) {
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
            "absent": self.absent,
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
