//! What the demonstration tells: one step after another, and a verdict.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde::Serialize;

use crate::output::{Output, clean};

const GOOD: &str = "32";
const BAD: &str = "31";
/// What stands below a step's name stands under it.
const INDENT: &str = "          ";

/// What came of one step.
#[derive(Serialize)]
pub(super) struct Step {
    /// What it shows.
    pub(super) name: &'static str,
    /// What was typed.
    pub(super) command: String,
    /// What must come out.
    pub(super) expected: &'static str,
    /// What came out.
    pub(super) observed: String,
    /// Whether that is what was expected.
    pub(super) ok: bool,
}

/// Every step so far.
#[derive(Serialize)]
pub(super) struct Report {
    /// In the order they were taken.
    pub(super) steps: Vec<Step>,
    /// Whether every one of them is as expected, and none is missing.
    pub(super) ok: bool,
    #[serde(skip)]
    output: Output,
    #[serde(skip)]
    planned: usize,
}

impl Report {
    /// A report of that many steps.
    pub(super) fn new(output: Output, planned: usize) -> Self {
        Self { steps: Vec::with_capacity(planned), ok: false, output, planned }
    }

    /// Adds a step, and tells it at once.
    pub(super) fn add(&mut self, step: Step) -> anyhow::Result<()> {
        let number = self.steps.len() + 1;
        if self.output.is_json() {
            let word = if step.ok { "ok" } else { "NOT OK" };
            self.output.remark(&format!("{number:>2}/{} {word}: {}", self.planned, step.name));
        } else {
            self.tell(number, &step)?;
        }
        self.steps.push(step);
        self.ok = self.steps.len() == self.planned && self.steps.iter().all(|step| step.ok);
        Ok(())
    }

    /// Tells how it all went.
    pub(super) fn conclude(&self, took_secs: f64) -> anyhow::Result<()> {
        self.output.result(self, |report| {
            let good = report.steps.iter().filter(|step| step.ok).count();
            let (verdict, style) =
                if report.ok { ("all of it holds", GOOD) } else { ("not all of it holds", BAD) };
            let verdict = report.paint(verdict, style);
            format!(
                "\n{good} of {} steps as expected in {took_secs:.1} s: {verdict}",
                report.planned
            )
        })
    }

    fn tell(&self, number: usize, step: &Step) -> anyhow::Result<()> {
        let word = if step.ok { self.paint("ok  ", GOOD) } else { self.paint("FAIL", BAD) };
        let mut text = format!("{number:>2}  {word}  {}\n", step.name);
        let command = Some(&step.command).filter(|command| !command.is_empty());
        let expected = Some(step.expected).filter(|_| !step.ok);
        let observed = step.observed.lines().filter(|line| !line.trim().is_empty());
        let lines = command
            .map(|command| format!("$ {}", clean(command)))
            .into_iter()
            .chain(observed.map(clean))
            .chain(expected.map(|expected| format!("expected: {expected}")));
        for line in lines {
            let _ = writeln!(text, "{INDENT}{line}");
        }
        Output::bytes(text.as_bytes())
    }

    fn paint(&self, text: &str, style: &str) -> String {
        if std::io::stdout().is_terminal() {
            self.output.label(text, style)
        } else {
            text.to_owned()
        }
    }
}
