//! What was measured, against the bars.
//!
//! Medians count for rates, the worst for everything that must happen in time.

mod json;
mod text;

use std::io::{Write as _, stdout};

use super::kill::{DEADLINE, Kill, millis};
use super::load::Mix;
use super::takeover::{Dismissal, Loss};
use super::throughput::{Setup, Sizes, Span};
use crate::bench::figures::median;

/// Milliseconds that the others may answer nothing where a server is lost.
const TAKEOVER: f64 = 2_000.0;

/// What the engine itself commits in a second, one row at a time, from so many clients.
#[derive(Default)]
pub(super) struct Floor {
    pub(super) one: f64,
    pub(super) sixteen: f64,
}

/// One setup under one kind of calls, in all rounds.
pub(super) struct Compared {
    pub(super) mix: Mix,
    pub(super) setup: Setup,
    pub(super) spans: Vec<Span>,
}

/// All of it.
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) database: String,
    pub(super) options: String,
    pub(super) floor: Floor,
    pub(super) compared: Vec<Compared>,
    pub(super) sizes: Sizes,
    pub(super) kills: Vec<Kill>,
    pub(super) killed: Vec<Loss>,
    pub(super) stopped: Vec<Loss>,
    pub(super) dismissal: Option<Dismissal>,
}

/// What counts of some rounds.
struct Summary {
    calls: f64,
    entries: f64,
    batches: f64,
    half_ms: f64,
    most_ms: f64,
    ratio: f64,
    failed: f64,
    /// CPU milliseconds of a call: servers, database, load.
    cpu_ms: [f64; 3],
}

impl Compared {
    fn word(&self) -> &'static str {
        match self.mix {
            Mix::Reads => "reads",
            Mix::Writes => "writes",
            Mix::Both => "both",
        }
    }

    fn name(&self) -> String {
        let engine = if self.setup.is_postgres { "PostgreSQL" } else { "SQLite" };
        format!("{:7}{engine}, {}", self.word(), self.setup.servers)
    }
}

impl Report {
    /// The bars that were missed.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for kill in &self.kills {
            if kill.cut_since_start >= millis(DEADLINE) {
                missed.push(format!("a kill took {:.0} ms to its last byte", kill.cut_since_start));
            }
            if kill.late > 0 {
                missed
                    .push(format!("{} calls got through after the deadline of a kill", kill.late));
            }
        }
        for (what, losses) in [("killed", &self.killed), ("stopped", &self.stopped)] {
            for loss in losses.iter().filter(|loss| loss.gap >= TAKEOVER) {
                missed.push(format!(
                    "a server was {what}, and another answered nothing for {:.0} ms",
                    loss.gap
                ));
            }
        }
        if let Some(dismissal) = self.dismissal.as_ref().filter(|gone| gone.answered > 0) {
            missed.push(format!("a dismissed server answered {} calls", dismissal.answered));
        }
        missed
    }

    // The ratio is to SQLite in the same round, under the same calls.
    fn summary(&self, compared: &Compared) -> Summary {
        let base = self
            .compared
            .iter()
            .find(|other| other.mix == compared.mix && !other.setup.is_postgres)
            .map_or(&compared.spans, |base| &base.spans);
        let each = |value: fn(&Span) -> f64| compared.spans.iter().map(value).collect::<Vec<_>>();
        let rate = |span: &Span| span.calls / span.seconds;
        let ratios = compared.spans.iter().zip(base).map(|(span, base)| rate(span) / rate(base));
        Summary {
            calls: median(each(|span| span.calls / span.seconds)),
            entries: median(each(|span| span.entries / span.seconds)),
            batches: median(each(|span| span.batches / span.seconds)),
            half_ms: median(each(|span| span.half_ms)),
            most_ms: median(each(|span| span.most_ms)),
            ratio: median(ratios.collect()),
            failed: each(|span| span.failed).iter().sum(),
            cpu_ms: [
                median(each(|span| span.servers_cpu / span.calls * 1e3)),
                median(each(|span| span.database_cpu / span.calls * 1e3)),
                median(each(|span| span.load_cpu / span.calls * 1e3)),
            ],
        }
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

#[cfg(test)]
mod tests {
    use super::{Compared, Dismissal, Floor, Kill, Loss, Mix, Report, Setup, Sizes, Span};

    const KILL: Kill = Kill {
        is_loaded: true,
        command: 200.0,
        cut_since_start: 999.0,
        cut_since_answer: 5.0,
        refused_since_answer: 80.0,
        lag: 7.0,
        after: 3,
        late: 0,
    };
    const LOSS: Loss =
        Loss { calm_gap: 60.0, gap: 1_999.0, refused: 12, is_stream_cut: true, back: 150.0 };

    fn span(calls: f64) -> Span {
        Span {
            seconds: 2.0,
            calls,
            failed: 0.0,
            entries: 2.0 * calls,
            batches: 50.0,
            half_ms: 8.5,
            most_ms: 21.5,
            servers_cpu: 1.0,
            database_cpu: 0.5,
            load_cpu: 0.25,
        }
    }

    fn report() -> Report {
        let compared = |is_postgres, spans| Compared {
            mix: Mix::Reads,
            setup: Setup { is_postgres, servers: 1 },
            spans,
        };
        let dismissal =
            Dismissal { settled: 9_800.0, orphaned: 9_900.0, ended: 156.0, code: 1, answered: 0 };
        Report {
            machine: "2 x a core".to_owned(),
            database: "PostgreSQL 15".to_owned(),
            options: "2 rounds".to_owned(),
            floor: Floor { one: 355.0, sixteen: 10_270.0 },
            compared: vec![
                compared(false, vec![span(4_000.0), span(8_000.0)]),
                compared(true, vec![span(1_000.0), span(4_000.0)]),
            ],
            sizes: Sizes::default(),
            kills: vec![KILL],
            killed: vec![LOSS],
            stopped: vec![LOSS],
            dismissal: Some(dismissal),
        }
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        assert_eq!(report().missed(), Vec::<String>::new());
        let mut late = report();
        late.kills.push(Kill { late: 1, ..KILL });
        assert!(late.missed()[0].contains("1 calls got through"), "{:?}", late.missed());
        let mut slow = report();
        slow.kills.push(Kill { cut_since_start: 1_000.0, ..KILL });
        assert!(slow.missed()[0].contains("1000 ms to its last byte"), "{:?}", slow.missed());
        let mut silent = report();
        silent.stopped.push(Loss { gap: 2_000.0, ..LOSS });
        assert!(silent.missed()[0].contains("was stopped"), "{:?}", silent.missed());
        let mut back = report();
        back.dismissal.as_mut().unwrap().answered = 2;
        assert!(back.missed()[0].contains("answered 2 calls"), "{:?}", back.missed());
    }

    #[test]
    fn a_ratio_is_to_sqlite_in_the_same_round() {
        let report = report();
        let summary = report.summary(&report.compared[1]);
        assert!((summary.ratio - 0.375).abs() < 1e-9, "{}", summary.ratio);
        assert!((summary.calls - 1_250.0).abs() < 1e-9, "{}", summary.calls);
    }

    #[test]
    fn the_tables_name_the_machine_and_every_figure() {
        let text = report().text();
        for figure in ["2 x a core", "PostgreSQL 15", "355", "0.38", "1250", "8.5", "1999", "9.8 s"]
        {
            assert!(text.contains(figure), "no {figure} in\n{text}");
        }
    }
}
